# A bare server as a cloud hands it out: systemd, sshd, sudo, Python, an administrator with a key.
ARG BASE
FROM ${BASE}
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      ca-certificates cron curl dbus iproute2 iptables libpam-systemd openssh-server procps python3 sudo systemd systemd-sysv udev \
 && rm -rf /var/lib/apt/lists/* \
 && systemctl mask systemd-modules-load.service systemd-udevd.service systemd-udev-trigger.service \
 && useradd --create-home --shell /bin/bash admin \
 && install -d -m 0700 -o admin -g admin /home/admin/.ssh \
 && printf 'admin ALL=(ALL) NOPASSWD: ALL\n' > /etc/sudoers.d/90-cloud-init-users \
 && chmod 0440 /etc/sudoers.d/90-cloud-init-users
COPY bed-init /usr/local/sbin/bed-init
STOPSIGNAL SIGRTMIN+3
CMD ["/usr/local/sbin/bed-init"]

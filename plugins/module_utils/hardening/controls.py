# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of controls: what each is called, why it is there and what it sets. Pure data.

The role applies it, the report checks it and docs/hardening.md is written from it. Where two controls that are on name
the same setting, the later one counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

BASELINE, STRICT, REQUEST = "baseline", "strict", "on request"


@dataclass(frozen=True)
class File:
    """A file of ours: a template of the role, where it goes, and which program must accept it first."""

    dest: str
    src: str
    mode: str = "0644"
    validate: str = ""


@dataclass(frozen=True)
class Edit:
    """One line in a file of the distribution. ``match`` (a regex) finds the line that it takes the place of."""

    path: str
    match: str
    line: str


@dataclass(frozen=True)
class Mode:
    """Owner and mode of a path of the distribution, where it exists. ``{home}`` is each user's; owners stay there."""

    path: str
    mode: str
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True)
class Control:
    """One control. ``needs`` names facts (see ``plan.FACTS``) without which it does not apply."""

    id: str
    title: str
    reason: str
    profile: str = BASELINE
    needs: tuple[str, ...] = ()
    sshd: Mapping[str, object] = field(default_factory=dict)
    sysctl: Mapping[str, object] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    files: tuple[File, ...] = ()
    edits: tuple[Edit, ...] = ()
    modes: tuple[Mode, ...] = ()
    pam: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    """Names of checks of their own, for what no file shows (``report.PROBES``)."""

    @property
    def area(self) -> str:
        """The part of the server it belongs to: the word before the first hyphen."""
        return self.id.partition("-")[0]


AREAS = {
    "ssh": "SSH",
    "firewall": "Firewall",
    "bans": "Bans",
    "net": "Network settings of the kernel",
    "kernel": "Kernel",
    "modules": "Kernel modules",
    "accounts": "Accounts, PAM, sudo",
    "cron": "Cron",
    "files": "Files, mounts, core dumps",
    "logs": "Logs and audit",
    "updates": "Updates and packages",
    "services": "Services",
}


def _each(key: str, value: int) -> dict[str, int]:
    """A setting of ``net.ipv4.conf`` or ``net.ipv6.conf`` for all interfaces: at once, to come, and each by itself.

    What is said of ``all`` does not reach an interface that says otherwise: of some keys the larger value counts, as of
    ``rp_filter``, which Debian sets to 2 (loose) for each; of IPv6's only that of the interface.
    """
    family, name = key.split(".")
    return {f"net.{family}.conf.{which}.{name}": value for which in ("all", "default", "*")}


def _login_defs(key: str, value: object) -> Edit:
    return Edit("/etc/login.defs", rf"{key}\s", f"{key}\t{value}")


def _settings(path: str, values: Mapping[str, object]) -> tuple[Edit, ...]:
    return tuple(Edit(path, rf"{key}\s*=", f"{key} = {value}") for key, value in values.items())


def _pam_profile(name: str) -> File:
    return File(f"/usr/share/pam-configs/{name}", f"pam/{name}.j2")


_PWQUALITY = {
    **{"minlen": 15, "minclass": 4, "dcredit": -1, "ucredit": -1, "lcredit": -1, "ocredit": -1},
    **{"difok": 2, "maxrepeat": 3, "maxsequence": 3, "dictcheck": 1, "enforcing": 1},
}
_DEBIAN_LIMITS = "/etc/security/limits.d/10-coredump-debian.conf"
_RULES = "/etc/audit/rules.d/90-mainstay.rules"

CONTROLS: tuple[Control, ...] = (
    # SSH. In order of preference; the installed OpenSSH says which algorithms it has. Left out everywhere: NIST curves,
    # SHA-1, short MACs, MACs over plaintext, CBC, Diffie-Hellman below 3072 bits.
    Control(
        "ssh-keys-only", "No login by password",
        "A password can be guessed, a key cannot.",
        sshd={
            "PubkeyAuthentication": "yes", "PasswordAuthentication": "no", "KbdInteractiveAuthentication": "no",
            "PermitEmptyPasswords": "no", "HostbasedAuthentication": "no", "IgnoreRhosts": "yes",
            "GSSAPIAuthentication": "no",
        },
    ),
    Control(
        "ssh-root", "No login as root",
        "Who did what stays known. Where it is root who runs the role, root may log in by key.",
        sshd={"PermitRootLogin": "no"},
    ),
    Control(
        "ssh-users", "Login for named users only",
        "An account made for a program, or forgotten, is no way in. Applies when hardening_ssh_users names somebody.",
        needs=("ssh_users",),
        sshd={"AllowUsers": "hardening_ssh_users"},
    ),
    Control(
        "ssh-algorithms", "Modern algorithms only",
        "What is broken, or will be soon, is not offered.",
        sshd={
            "KexAlgorithms": (
                "mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com",
                "curve25519-sha256", "curve25519-sha256@libssh.org",
                "diffie-hellman-group18-sha512", "diffie-hellman-group16-sha512",
            ),
            "Ciphers": (
                "aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr",
            ),
            "MACs": ("hmac-sha2-512-etm@openssh.com", "hmac-sha2-256-etm@openssh.com", "umac-128-etm@openssh.com"),
            "HostKeyAlgorithms": (
                "ssh-ed25519-cert-v01@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com",
                "rsa-sha2-512-cert-v01@openssh.com", "rsa-sha2-256-cert-v01@openssh.com",
                "ssh-ed25519", "sk-ssh-ed25519@openssh.com", "rsa-sha2-512", "rsa-sha2-256",
            ),
        },
    ),
    Control(
        "ssh-post-quantum", "Key exchange that a quantum computer does not undo",
        "What is recorded today could be read later. Clients need OpenSSH 8.5 or later. ChaCha20-Poly1305 comes"
        " back: where key exchange is strict (OpenSSH 9.6), Terrapin does not touch it.",
        STRICT, needs=("openssh_9_9",),
        sshd={
            "KexAlgorithms": (
                "mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com",
            ),
            "Ciphers": (
                "chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes192-ctr",
                "aes128-gcm@openssh.com", "aes128-ctr",
            ),
        },
    ),
    Control(
        "ssh-host-key", "RSA host key of 4096 bits",
        "A shorter one is replaced, once. Clients that know the server by its Ed25519 key, as all since 2014 do, see no"
        " difference.",
        STRICT, checks=("rsa_host_key",),
    ),
    Control(
        "ssh-limits", "Few tries, little time to log in",
        "Guessing becomes slow, and half-open connections cannot use up the server.",
        sshd={"MaxAuthTries": 3, "MaxStartups": "10:30:60", "LoginGraceTime": 30, "MaxSessions": 10},
    ),
    Control(
        "ssh-sessions", "Few sessions over one connection",
        "A stolen connection carries less. Ansible needs two.",
        STRICT, sshd={"MaxSessions": 2},
    ),
    Control(
        "ssh-forwarding", "No forwarding but to local ports",
        "The server is no bridge into its network. Local forwarding is the way to Prometheus on loopback.",
        sshd={
            "X11Forwarding": "no", "AllowAgentForwarding": "no", "AllowTcpForwarding": "local",
            "AllowStreamLocalForwarding": "no", "GatewayPorts": "no", "PermitTunnel": "no",
        },
    ),
    Control(
        "ssh-no-forwarding", "No forwarding at all",
        "For servers whose Prometheus is reached in another way.",
        REQUEST, sshd={"DisableForwarding": "yes", "AllowTcpForwarding": "no"},
    ),
    Control(
        "ssh-idle", "Dead connections end",
        "A connection without an answer for 10 minutes is closed. TCP's own keep-alive can be spoofed, SSH's cannot.",
        sshd={"TCPKeepAlive": "no", "ClientAliveInterval": 300, "ClientAliveCountMax": 2},
    ),
    Control(
        "ssh-environment", "No environment from clients, no compression",
        "Variables could change what a forced command does; compression is code that runs before it is needed.",
        sshd={"PermitUserEnvironment": "no", "Compression": "no"},
    ),
    Control(
        "ssh-log", "Logins name their key",
        "After an incident it counts which key came in.",
        sshd={"LogLevel": "VERBOSE"},
    ),
    Control(
        "ssh-banner", "A notice before login",
        "Says that the server is not public, and nothing of what it is.",
        sshd={"Banner": "/etc/issue.net"},
        edits=(
            Edit("/etc/issue", r".*", "{banner}"),
            Edit("/etc/issue.net", r".*", "{banner}"),
        ),
        modes=(Mode("/etc/issue", "0644"), Mode("/etc/issue.net", "0644"), Mode("/etc/motd", "0644")),
    ),
    Control(
        "ssh-files", "Only root reads SSH's settings",
        "They tell who may log in, and how.",
        modes=(Mode("/etc/ssh/sshd_config", "0600"),),
    ),
    # Firewall.
    Control(
        "firewall-ufw", "Everything is closed but what is named",
        "A port that somebody opens by mistake stays shut, on IPv4 and IPv6.",
        packages=("ufw",), units=("ufw",), checks=("ufw",),
        files=(File("/etc/ufw/sysctl.conf", "ufw-sysctl.conf.j2"),),
    ),
    Control(
        "firewall-containers", "A second wall around containers",
        "Docker opens published ports past ufw. Whatever is published, nobody outside reaches a container but by"
        " nginx, and no container reaches the server's SSH or the cloud's metadata, which hands out credentials.",
        packages=("nftables",), units=("mainstay-container-firewall",), checks=("container_firewall",),
        files=(
            File("/etc/systemd/system/mainstay-container-firewall.service", "container-firewall.service.j2"),
        ),
    ),
    # Bans.
    Control(
        "bans-ssh", "Who guesses at SSH is banned",
        "After the third failure, for two hours. The operator never.",
        packages=("fail2ban", "nftables", "python3-systemd"), units=("fail2ban",), checks=("jail:sshd",),
    ),
    Control(
        "bans-nginx", "Who floods, scans or guesses at the sites is banned",
        "Limits slow an attacker down, a ban ends it: limit violations, paths that only scanners ask for, tools that"
        " name themselves, failed logins. Behind a CDN (hardening_trusted_proxies) nginx makes the bans as well.",
        packages=("fail2ban",), units=("fail2ban", "mainstay-nginx-bans.path"),
        checks=("jail:nginx-limits", "jail:nginx-scanners", "jail:nginx-bots", "jail:nginx-logins"),
        files=(
            File("/etc/tmpfiles.d/mainstay-bans.conf", "bans-tmpfiles.conf.j2"),
            File("/etc/systemd/system/mainstay-nginx-bans.path", "nginx-bans.path.j2"),
            File("/etc/systemd/system/mainstay-nginx-bans.service", "nginx-bans.service.j2"),
        ),
    ),
    Control(
        "bans-ports", "Who knocks at closed ports is banned",
        "A scan makes 20 lines of ufw's log in ten minutes, a mistake does not. The ban is for all ports. Who forges"
        " senders could have others banned: name in hardening_ban_ignore whom the server must always hear.",
        STRICT, needs=("not_container",),
        packages=("fail2ban", "python3-systemd", "ufw"), units=("fail2ban",), checks=("jail:port-scans",),
    ),
    Control(
        "bans-recidive", "Who comes back is banned for a week",
        "Two hours mean little to a machine.",
        packages=("fail2ban",), units=("fail2ban",), checks=("jail:recidive",),
    ),
    # Network settings of the kernel.
    Control(
        "net-forwarding", "Docker's forwarding stays on",
        "Its containers live by it: set to 0 anywhere, the next reload of all settings would cut them off. IPv6"
        " forwarding stays as it is.",
        sysctl={"net.ipv4.ip_forward": 1},
    ),
    Control(
        "net-redirects", "No redirects, no source routes",
        "Nobody on the network tells the server where its packets go.",
        sysctl={
            **_each("ipv4.accept_redirects", 0), **_each("ipv4.secure_redirects", 0), **_each("ipv4.send_redirects", 0),
            **_each("ipv4.accept_source_route", 0), **_each("ipv6.accept_redirects", 0),
            **_each("ipv6.accept_source_route", 0), **_each("ipv4.shared_media", 0),
        },
    ),
    Control(
        "net-spoofing", "Spoofed packets are dropped and logged",
        "A packet must come in where the answer would go out, and nobody outside speaks for the server itself.",
        sysctl={
            **_each("ipv4.rp_filter", 1), **_each("ipv4.log_martians", 1), "net.ipv4.conf.all.accept_local": 0,
            "net.ipv4.conf.all.route_localnet": 0,
            "net.ipv4.conf.all.arp_filter": 0,
        },
    ),
    Control(
        "net-tcp", "SYN floods and TIME-WAIT tricks",
        "The server keeps answering while half-open connections are heaped on it.",
        sysctl={
            "net.ipv4.tcp_syncookies": 1, "net.ipv4.tcp_rfc1337": 1, "net.ipv4.icmp_echo_ignore_broadcasts": 1,
            "net.ipv4.icmp_ignore_bogus_error_responses": 1, "net.ipv4.ip_local_port_range": "32768 65535",
        },
    ),
    Control(
        "net-router-advertisements", "No routes from router advertisements",
        "Anybody on the same network could become the router. Does not apply where the kernel itself has its IPv6"
        " route from one.",
        STRICT, needs=("no_router_advertisements",),
        sysctl={
            **_each("ipv6.accept_ra", 0), **_each("ipv6.accept_ra_defrtr", 0), **_each("ipv6.accept_ra_pinfo", 0),
            **_each("ipv6.accept_ra_rtr_pref", 0), **_each("ipv6.autoconf", 0), **_each("ipv6.max_addresses", 1),
            **_each("ipv6.router_solicitations", 0),
        },
    ),
    # Kernel.
    Control(
        "kernel-addresses", "Kernel addresses and messages are for root",
        "Exploits need them.",
        sysctl={"kernel.dmesg_restrict": 1, "kernel.kptr_restrict": 2, "kernel.randomize_va_space": 2},
    ),
    Control(
        "kernel-bpf-perf", "No BPF and no tracing for users",
        "Both have been the way from user to root again and again. (2, not 1: it can be taken back without a restart.)",
        sysctl={
            "kernel.unprivileged_bpf_disabled": 2, "net.core.bpf_jit_harden": 2, "kernel.perf_event_paranoid": 3,
        },
    ),
    Control(
        "kernel-ptrace", "A process traces its children only",
        "One program of a user does not read the memory, and the secrets, of another.",
        sysctl={"kernel.yama.ptrace_scope": 1},
    ),
    Control(
        "kernel-links", "Links in shared directories",
        "A link laid in /tmp does not make root write where it did not mean to.",
        sysctl={
            "fs.protected_fifos": 2, "fs.protected_hardlinks": 1, "fs.protected_regular": 2, "fs.protected_symlinks": 1,
        },
    ),
    Control(
        "kernel-console", "No SysRq, no line disciplines on demand",
        "Old code that nobody needs on a server is not loaded by a user's wish.",
        sysctl={"kernel.sysrq": 0, "kernel.ctrl-alt-del": 0, "dev.tty.ldisc_autoload": 0, "vm.mmap_min_addr": 65536},
    ),
    Control(
        "kernel-oops", "A kernel that has erred starts again",
        "After an error its memory cannot be trusted. It restarts after a minute.",
        STRICT, sysctl={"kernel.panic_on_oops": 1, "kernel.panic": 60},
    ),
    Control(
        "kernel-limits", "Limits of profiling and process numbers; no other kernel at run time",
        "Each takes away a lever. Crash dumps by kexec end.",
        STRICT,
        sysctl={
            "kernel.perf_cpu_time_max_percent": 1, "kernel.perf_event_max_sample_rate": 1, "kernel.pid_max": 65536,
            "kernel.kexec_load_disabled": 1, "kernel.core_uses_pid": 1, "kernel.unprivileged_bpf_disabled": 1,
        },
    ),
    # Kernel modules.
    Control(
        "modules-protocols", "No rare network protocols",
        "A socket of a user's loads them, and they are little tested.",
        files=(File("/etc/modprobe.d/mainstay-protocols.conf", "modules-protocols.conf.j2"),),
    ),
    Control(
        "modules-filesystems", "No rare file systems",
        "What is never mounted need not be parsed. UDF stays: Azure hands its settings to a server on such a disc.",
        files=(File("/etc/modprobe.d/mainstay-filesystems.conf", "modules-filesystems.conf.j2"),),
    ),
    Control(
        "modules-usb", "No USB and FireWire storage",
        "Data leaves by the network or not at all.",
        files=(File("/etc/modprobe.d/mainstay-usb.conf", "modules-usb.conf.j2"),),
    ),
    # Accounts.
    Control(
        "accounts-umask", "New files are not for everybody",
        "What a user writes, others do not read. Commands by sudo keep 022, which packages are made for.",
        edits=(
            _login_defs("UMASK", "027"),
            Edit("/etc/bash.bashrc", r"umask\s", "umask 027"),
        ),
        files=(File("/etc/profile.d/mainstay-umask.sh", "profile-umask.sh.j2"),),
    ),
    Control(
        "accounts-homes", "Homes are private",
        "Keys and histories are nobody else's business.",
        modes=(
            Mode("{home}", "0750"),
            *(
                Mode(f"{{home}}/{name}", "0740")
                for name in (".bashrc", ".profile", ".bash_logout", ".bash_profile", ".bash_login", ".zshrc")
            ),
        ),
        edits=(Edit("/etc/adduser.conf", r"DIR_MODE=", "DIR_MODE=0750"),),
    ),
    Control(
        "accounts-passwords", "Passwords age, and are hashed slowly",
        "For accounts that have one, at the console. Logins by key go on: without this, accounts made from now on would"
        " be shut out after a year and a month, even those that have no password to change.",
        edits=(
            _login_defs("PASS_MAX_DAYS", 365), _login_defs("PASS_MIN_DAYS", 1), _login_defs("PASS_WARN_AGE", 7),
            _login_defs("SHA_CRYPT_MIN_ROUNDS", 65536), _login_defs("SHA_CRYPT_MAX_ROUNDS", 65536),
            _login_defs("YESCRYPT_COST_FACTOR", 7), Edit("/etc/default/useradd", r"INACTIVE=", "INACTIVE=30"),
            Edit("/etc/pam.d/common-account", r"account\s+\[[^]]*\]\s+pam_unix\.so\b", "+no_pass_expiry"),
        ),
    ),
    Control(
        "accounts-quality", "Passwords are long and new",
        "15 characters of four kinds, none of the last 24.",
        STRICT,
        packages=("libpam-pwquality",), pam=("mainstay-pwhistory",),
        files=(_pam_profile("mainstay-pwhistory"),),
        edits=(
            Edit("/etc/pam.d/common-password", r"password\s+\S+(?: \S+\])?\s+pam_unix\.so\s", "+rounds=11"),
            *_settings("/etc/security/pwquality.conf", _PWQUALITY),
            Edit("/etc/security/pwquality.conf", r"enforce_for_root$", "enforce_for_root"),
        ),
    ),
    Control(
        "accounts-faillock", "Wrong passwords lock an account for a quarter of an hour",
        "At the console and with sudo, three are enough. Logins by key are not touched.",
        STRICT, pam=("mainstay-faillock", "mainstay-faillock-notify"),
        files=(
            _pam_profile("mainstay-faillock"), _pam_profile("mainstay-faillock-notify"),
            File("/etc/tmpfiles.d/mainstay-faillock.conf", "faillock-tmpfiles.conf.j2"),
        ),
        edits=(
            *_settings(
                "/etc/security/faillock.conf",
                {"deny": 3, "fail_interval": 900, "unlock_time": 900, "root_unlock_time": 900},
            ),
            Edit("/etc/security/faillock.conf", r"even_deny_root$", "even_deny_root"),
        ),
    ),
    Control(
        "accounts-no-empty", "No account without a password gets in",
        "PAM would let it, by default.",
        edits=(Edit("/etc/pam.d/common-auth", r"auth\s+\S+(?: \S+\])?\s+pam_unix\.so\b", "-nullok"),),
    ),
    Control(
        "accounts-su", "su is for root",
        "Users become root by sudo, which logs. The group that may use su is empty.",
        groups=("sugroup",),
        edits=(
            Edit(
                "/etc/pam.d/su", r"auth\s+required\s+pam_wheel\.so", "auth required pam_wheel.so use_uid group=sugroup"
            ),
        ),
    ),
    Control(
        "accounts-sudo", "sudo asks again, writes down and has a terminal of its own",
        "A background process cannot take over the terminal of root.",
        files=(
            File("/etc/sudoers.d/00-mainstay", "sudoers.j2", "0440", "visudo -cqf %s"),
            File("/etc/logrotate.d/mainstay-sudo", "logrotate-sudo.j2"),
        ),
        modes=(Mode("/etc/sudoers.d", "0750"),),
    ),
    Control(
        "accounts-idle", "Idle shells end",
        "After ten minutes at the prompt.",
        STRICT, files=(File("/etc/profile.d/mainstay-idle.sh", "profile-idle.sh.j2"),),
    ),
    # Cron.
    Control(
        "cron-files", "Only root sees and sets jobs",
        "They run as root and tell when what happens.",
        modes=(
            *(Mode(f"/etc/cron.{when}", "0700") for when in ("d", "hourly", "daily", "weekly", "monthly", "yearly")),
            Mode("/etc/crontab", "0600"),
        ),
    ),
    Control(
        "cron-users", "Only root has cron and at",
        "A job outlives the account's key.",
        files=(File("/etc/cron.allow", "cron.allow.j2", "0600"), File("/etc/at.allow", "cron.allow.j2", "0600")),
    ),
    # Files, mounts, core dumps.
    Control(
        "files-core-dumps", "No core dumps",
        "They hold what the process held: keys and passwords.",
        sysctl={"fs.suid_dumpable": 0},
        files=(
            File("/etc/security/limits.d/50-mainstay.conf", "limits.conf.j2"),
            File("/etc/systemd/coredump.conf.d/50-mainstay.conf", "coredump.conf.j2"),
            File("/etc/profile.d/mainstay-core.sh", "profile-core.sh.j2"),
        ),
        # Debian's own file allows them again.
        edits=(
            Edit(_DEBIAN_LIMITS, r"\*\s+hard\s+core\s", "* hard core 0"),
            Edit(_DEBIAN_LIMITS, r"root\s+hard\s+core\s", "root hard core 0"),
        ),
    ),
    Control(
        "files-shm", "Nothing runs from /dev/shm",
        "The place where malware likes to start, writable by all and gone after a restart.",
        edits=(
            Edit("/etc/fstab", r"\S+\s+/dev/shm\s", "tmpfs /dev/shm tmpfs rw,nosuid,nodev,noexec 0 0"),
        ),
        checks=("mount:/dev/shm:noexec",),
    ),
    Control(
        "files-tmp", "Nothing runs from /tmp",
        "As /dev/shm, where /tmp is a file system of its own.",
        STRICT, needs=("tmp_mount",),
        files=(File("/etc/systemd/system/tmp.mount.d/50-mainstay.conf", "tmp-mount.conf.j2"),),
        checks=("mount:/tmp:noexec",),
    ),
    Control(
        "files-tmpdir", "Each user has a directory for temporary files",
        "A file laid in a shared one, under a name that can be foreseen, fools no other user.",
        STRICT, packages=("libpam-tmpdir",), pam=("tmpdir",),
    ),
    # Logs.
    Control(
        "logs-journal", "The journal lasts, and ends",
        "It survives a restart, for as long and as much as hardening_journal_days and hardening_journal_size say. Where"
        " rsyslog or its like is installed it gets all of it, as what ships auth.log needs.",
        edits=(
            Edit("/etc/systemd/journald.conf", r"Storage=", "Storage=persistent"),
            Edit("/etc/systemd/journald.conf", r"Compress=", "Compress=yes"),
            Edit("/etc/systemd/journald.conf", r"ForwardToSyslog=", "ForwardToSyslog={syslog}"),
        ),
        files=(File("/etc/systemd/journald.conf.d/50-mainstay.conf", "journald.conf.j2"),),
    ),
    Control(
        "logs-audit", "The kernel writes down what matters",
        "Changes of accounts, of sudo, of SSH, of the clock, of modules: few rules, so that somebody reads them.",
        STRICT, needs=("not_container",),
        packages=("auditd",), units=("auditd",),
        files=(File(_RULES, "audit.rules.j2", "0640"),), checks=(f"audit:{_RULES}",),
    ),
    Control(
        "logs-integrity", "Changed files are found",
        "AIDE compares programs and settings with a list, every night, and writes to the journal. Its first list is"
        " made in the background; what containers and apps hold is left out.",
        STRICT, packages=("aide", "aide-common"), units=("mainstay-aide-init", "dailyaidecheck.timer"),
        files=(
            File("/etc/systemd/system/mainstay-aide-init.service", "aide-init.service.j2"),
            File("/etc/aide/aide.conf.d/90_mainstay", "aide.conf.j2"),
        ),
        # Debian reckons every checksum that it knows.
        edits=(Edit("/etc/aide/aide.conf", r"Checksums\s*=", "Checksums = sha256+sha512"),),
    ),
    # Updates.
    Control(
        "updates-automatic", "Security updates come by themselves",
        "Most break-ins use what has long been repaired. Within the hours of hardening_updates_window.",
        packages=("unattended-upgrades",), units=("unattended-upgrades",),
        files=(
            File("/etc/apt/apt.conf.d/60mainstay-updates", "updates.conf.j2", validate="apt-config -c %s dump"),
            File("/etc/systemd/system/apt-daily-upgrade.timer.d/50-mainstay.conf", "updates-timer.conf.j2"),
        ),
    ),
    Control(
        "updates-restart", "What runs old code is named",
        "After an update needrestart says which programs still run the old one; debsums says which files of packages"
        " were changed.",
        STRICT, packages=("apt-listchanges", "debsums", "needrestart"),
        files=(File("/etc/needrestart/conf.d/50-mainstay.conf", "needrestart.conf.j2"),),
        edits=(Edit("/etc/default/debsums", r"CRON_CHECK=", "CRON_CHECK=weekly"),),
    ),
    Control(
        "updates-no-recommends", "Only what was asked for is installed",
        "Each package less is one less to update.",
        STRICT, files=(File("/etc/apt/apt.conf.d/60mainstay-recommends", "recommends.conf.j2"),),
    ),
    # Services.
    Control(
        "services-time", "The clock is right",
        "Certificates, logs and bans depend on it. A server with another time daemon keeps that.",
        needs=("no_time_daemon",),
        packages=("systemd-timesyncd",), units=("systemd-timesyncd",),
        files=(File("/etc/systemd/timesyncd.conf.d/50-mainstay.conf", "timesyncd.conf.j2"),),
    ),
    Control(
        "services-apparmor", "AppArmor confines programs",
        "Docker gives each container a profile, packages bring theirs.",
        packages=("apparmor", "apparmor-utils"), checks=("apparmor",),
    ),
    Control(
        "services-sandbox", "fail2ban in a sandbox",
        "It reads what attackers write, as root. nginx and the apps' units bring theirs with their own roles.",
        files=(File("/etc/systemd/system/fail2ban.service.d/50-mainstay.conf", "fail2ban-sandbox.conf.j2"),),
        checks=("exposure:fail2ban.service:2.2",),
    ),
)  # fmt: skip

BY_ID = {control.id: control for control in CONTROLS}

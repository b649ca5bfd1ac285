# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write ``docs/hardening.md`` from the table of controls and from what graders find.

``python -m tools.document_hardening`` writes it; ``--check`` fails where it is stale.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

from ansible_collections.mainstay.platform.plugins.module_utils.hardening import controls, plan  # noqa: E402

PAGE = ROOT / "docs" / "hardening.md"
FINDINGS = ROOT / "benchmarks" / "findings.yml"

HEAD = """\
# Hardening: controls, profiles, waivers, grades

<!-- Written by `make docs` from plugins/module_utils/hardening/controls.py and benchmarks/findings.yml. -->

The role `hardening` is a table of controls. Each has an id, a reason, and one switch:

    hardening_profile: strict              # or baseline, which is for every server
    hardening_controls:
      ssh-no-forwarding: true              # on, though the profile has it not
      accounts-idle: false                 # off
    hardening_waivers:                     # off for a time, and why; the report shows it
      - {control: accounts-su, reason: "the old deploy tool needs su", until: 2027-03-31}

When the day of a waiver has passed, the control is in force again and the run says so. A control that does not apply
to a server, as one of the kernel in a container, is left out and the report says why. What a control that is switched
off had set is taken back: files are removed, lines and modes of the distribution's files get back what they had.

    ansible-playbook mainstay.platform.hardening -i inventories/prod      # which controls hold: looks, changes nothing

## Before you lock yourself out

1. A run that would is refused before anything changes: an allow-list without your address, users without yours, root
   forbidden to root, no key of your own while passwords end.
2. `/etc/ssh/sshd_config` must pass `sshd -t`, the wall around containers `nft -c`.
3. SSH, ufw, the wall and the kernel's settings are one step. What was there is kept, and a timer set on the server that
   puts it back after a minute. Then all is put in force and a *new* connection is made, beside the one the run works
   through. Only when it comes in is the timer stopped. Where it does not, all is put back at once; where the controller
   or the network has died, the server does it by itself, and a server that goes down meanwhile does it as it starts.

`/etc/ssh/sshd_config` is ours: what is set there no drop-in changes, as cloud images' `50-cloud-init.conf` would.
What the server's own file said of who comes in, by which keys and where (ports, addresses, host keys,
`AuthorizedKeys…`, `Allow…`, `Deny…`, CAs) is taken over; `Match` blocks belong into a drop-in. The server's own file
is kept as `/var/lib/mainstay/hardening/sshd_config.original`.

## Containers

Docker opens published ports past ufw. Three walls stand before that: a port published without an address is bound to
loopback (`ip` and `default-network-opts` in `daemon.json`); the table `inet mainstay` drops, before Docker's and
ufw's rules and for IPv4 and IPv6, all that comes from outside to a container (its chain `docker_user` is what
Docker's `DOCKER-USER` is for, but it is there before Docker, and for IPv6); ufw denies routed traffic. Containers
reach neither the server's SSH nor the cloud's metadata address (names that it resolves come through). Networks of
apps are apart: a container of one reaches no database of another.

The wall knows Docker's bridges by their names, `docker0`, `docker_gwbridge` and `br-…`, which networks have that say
nothing else. One that names its bridge itself (`com.docker.network.bridge.name`) must let it begin with `br-`; a
macvlan or ipvlan goes past the wall. The report fails `firewall-containers` where there is such a network.

`net.ipv4.ip_forward` is 1 in the file as well: a reload of all settings, a restart of Docker and a restart of the
server leave containers connected.

What docker-bench-security asks for is answered rule by rule in [the role docker](../roles/docker/README.md).

### One that takes all of the CPU

Every container has a limit of memory and of processes, of CPU only where the inventory says `cpus`: what nobody
else wants would lie idle otherwise. Where the CPU is short, the kernel shares it between control groups,
however many processes each has: on Debian and Ubuntu each container, nginx, sshd and every other service count
alike (`CPUWeight` 100), backups a fifth of that, and logins (`user.slice`) as much as all of these together. So
one service that loops for ever leaves nginx, the databases and every other service as much as it takes itself.
Give `cpus` to those whose work is not awaited by anybody, and to all of an app that must not slow down its
neighbours. These are the defaults of systemd and Docker on cgroup v2; the test bed has v1, so it is not
measured here.

### Known holes in images

Nothing here looks into images, and no server needs a scanner: what an image holds is decided when it is built,
and a hole becomes known afterwards. Two jobs of your CI find them, with [Trivy](https://trivy.dev) or Grype; no
scanner's database of holes is in reach of this project's own tests, so this has not been run here.

1. After each build, before the push or at least before the release. A finding ends the job:

       trivy image --exit-code 1 --severity HIGH,CRITICAL --ignore-unfixed registry.example/shop-web:v2

2. Every night, what serves, by the digests that the server has pinned; databases are among it. Holes come to
   light in images that have not changed:

       ssh shop-prod "sudo docker ps --no-trunc --format '{{.Image}}'" |
           sort -u | xargs -n 1 trivy image --exit-code 1 --ignore-unfixed

A finding in the app's image is a build on a newer base; in a database's image it is the next tag of the same
version (`version: "17.7"`), which any run brings. What cannot be mended yet goes into `.trivyignore.yaml`, with
a reason (`statement`) and an end (`expired_at`), as waivers do here. Meanwhile confinement limits what a hole
is worth: no root, no capabilities, a read-only root, no way to other apps' databases.
"""

GRADES = """\

## Grades

`make grade` makes a bare server the sample product's by the profile `strict`, tests the product's behaviour
from outside, does so again after a reload of the kernel's settings, after a restart of Docker and after a
reboot, and then asks graders that nobody here wrote: testssl.sh and Mozilla's HTTP Observatory about its site,
testssl.sh again with TLS 1.3 alone, and lynis, OpenSCAP with Debian 13's content, ssh-audit and systemd about
the server. It prints what they say beside the targets, and fails for a finding without a reason below. They are
asked in a container, whose artefacts are among the reasons. `make grade-edge` asks for the site of what runs
alone.

On 2026-11-21, Debian 13, in one run in which the 35 tests of the product's behaviour passed each of the four times:

| grader | grade | to reach |
|---|---:|---:|
| lynis 3.1.4 | 88 | 88 |
| ssh-audit 3.9.0, failures and warnings; its policy for OpenSSH 10.0 | 0 and 0; passed | 0 and 0; passed |
| OpenSCAP 1.4.2: CIS level 1, level 2, ANSSI intermediary | 90.6, 87.2, 84.9 % | 88, 82, 80 % |
| testssl.sh 3.2.1 with TLS 1.2 and 1.3; 1.3 alone and secp384r1 | A+ 96; A+ 100 | A+; 100 |
| HTTP Observatory | A+ 130 | A+ 130 |
| systemd-analyze security: nginx, fail2ban; Prometheus, Alertmanager, exporters | 2.6, 1.9; 1.2 to 2.2 | 2.6, 2.2; 3 |

### Rules of OpenSCAP that fail, and why

| rules | reason |
|---|---|
"""


def table() -> str:
    """The controls by area."""
    lines = []
    for area, title in controls.AREAS.items():
        lines += [f"\n### {title}\n", "| control | profile | what | why |", "|---|---|---|---|"]
        for control in controls.CONTROLS:
            if control.area == area:
                lines.append(f"| `{control.id}` | {control.profile} | {control.title} | {control.reason} |")
    return "\n".join(lines) + "\n"


def findings() -> str:
    """What graders would have otherwise."""
    found = yaml.safe_load(FINDINGS.read_text())
    lines = []
    for entry in found["openscap"]:
        rules = ", ".join(f"`{rule}`".replace("|", "\\|") for rule in entry["rules"])
        lines.append(f"| {rules} | {entry['reason'].strip()} |")
    lines += ["\n### What lynis takes points for, and why\n", "| test | reason |", "|---|---|"]
    lines += [f"| `{entry['test']}` | {entry['reason']} |" for entry in found["lynis"]]
    lines += ["\n### Units that systemd calls exposed by more than 3.0, and why\n", "| units | reason |", "|---|---|"]
    for entry in found["systemd"]:
        units = ", ".join(f"`{unit}`".replace("\\.", ".").replace("|", "\\|") for unit in entry["units"])
        lines.append(f"| {units} | {entry['reason'].strip()} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole page."""
    sizes = {
        profile: sum(control.profile in parts for control in controls.CONTROLS)
        for profile, parts in plan.PROFILES.items()
    }
    said = f"\n## Controls\n\n`baseline` has {sizes['baseline']} controls, `strict` {sizes['strict']}.\n"
    return HEAD + said + table() + GRADES + findings()


def main() -> int:
    """Write the page, or check it."""
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.read_text() == page() else 1
    PAGE.write_text(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env -S sh -c 'exec "$(dirname "$0")/../.venv/bin/python" "$0" "$@"'
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What graders that nobody here wrote say of a hardened server of the test bed, beside the targets.

lynis and OpenSCAP run on the server, ssh-audit in its network namespace against 127.0.0.1, and systemd says itself how
exposed its units are. They are installed on the server, which has served its purpose afterwards. The server should
have been restarted since it was hardened, as settings of the kernel are taken from files then.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from testbed import outside  # noqa: E402 - found through the line above

SSH_AUDIT = "ssh-audit==3.9.0"
SSH_POLICY = "Hardened OpenSSH Server v10.0 (version 1)"
CONTENT = "/opt/graders/usr/share/xml/scap/ssg/content/ssg-debian13-ds.xml"
PROFILES = {
    "OpenSCAP CIS level 1 (server), %": ("cis_level1_server", 88.0),
    "OpenSCAP CIS level 2 (server), %": ("cis_level2_server", 82.0),
    "OpenSCAP ANSSI BP-028 intermediary, %": ("anssi_bp28_intermediary", 80.0),
}
EXPOSURE = {
    "nginx.service": 2.6,
    "fail2ban.service": 2.2,
    "prometheus.service": 3.0,
    "prometheus-alertmanager.service": 3.0,
    "prometheus-blackbox-exporter.service": 3.0,
    "prometheus-node-exporter.service": 3.0,
}
# Every unit of an app (runtime: systemd).
APP_EXPOSURE = 1.0
# What is more exposed than this, and has no target, asks for a reason.
EXPOSED = 3.0
FINDINGS = ROOT / "benchmarks" / "findings.yml"
RULE = "xccdf_org.ssgproject.content_rule_"
XCCDF = "{http://checklists.nist.gov/xccdf/1.2}"

# Debian 13 has its rules in unstable only: fetched there, unpacked, never installed.
INSTALL = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -q update >/dev/null
# Without linux-base the rules about the kernel count as not applicable.
apt-get -qy install --no-install-recommends lynis openscap-scanner linux-base >/dev/null
[ -e {content} ] || {{
  mkdir -p /opt/graders/lists/partial
  cd /opt/graders
  echo 'deb http://deb.debian.org/debian sid main' > sources.list
  from='-o Dir::Etc::sourcelist=/opt/graders/sources.list -o Dir::Etc::sourceparts=-'
  from="$from -o Dir::State::lists=/opt/graders/lists"
  apt-get -q $from update >/dev/null
  apt-get -q $from download ssg-debian >/dev/null 2>&1
  dpkg -x ssg-debian_*.deb .
}}
ls /opt/graders/ssg-debian_*.deb | sed 's/.*ssg-debian_//; s/_all.deb//'
"""

# The bed's copies of the kernel's settings are plain files (testbed/cloud/images/bed-init): they lack what Debian's
# kernel has and this machine's has not, and what is written over a longer value leaves its end behind. The first get
# Debian's default, then the server's own systemd-sysctl sets what it is told to; of the second the first line counts.
KERNEL = """
set -e
while read -r key value; do
  file=/proc/sys/$(echo "$key" | tr . /)
  [ -e "$file" ] || { mkdir -p "$(dirname "$file")"; echo "$value" > "$file"; }
done <<END
kernel.yama.ptrace_scope 0
kernel.sysrq 438
kernel.kexec_load_disabled 0
kernel.unprivileged_bpf_disabled 2
END
systemctl restart systemd-sysctl
sed -nE 's/^((kernel|vm|fs|dev)[^ =]*) *=.*/\\1/p' /etc/sysctl.d/*.conf | sort -u | while read -r key; do
  file=/proc/sys/$(echo "$key" | tr . /)
  [ ! -f "$file" ] || { head -n 1 "$file" > /tmp/grade-key; cat /tmp/grade-key > "$file"; }
done
"""


@dataclass
class Grade:
    """One line of the table: what was reached, and what was to be. ``most``: less is better."""

    what: str
    reached: float | str
    target: float | str
    most: bool = False

    @property
    def good(self) -> bool:
        """Whether the target is reached."""
        if isinstance(self.reached, str) or isinstance(self.target, str):
            return self.reached == self.target
        return self.reached <= self.target if self.most else self.reached >= self.target


def on(server: str, command: str, check: bool = True) -> str:
    """What a shell command prints on the server."""
    done = subprocess.run(
        ["docker", "exec", "-i", server, "bash"], input=command, text=True, capture_output=True, check=False
    )
    if check and done.returncode:
        said = f"{done.stdout[-500:]}{done.stderr[-2000:]}"
        raise SystemExit(f"{command.strip()[:200]}\nended with {done.returncode}: {said}")
    return done.stdout


def lynis(server: str) -> tuple[Grade, list[str]]:
    """The hardening index, and what it would have changed."""
    on(server, "rm -f /var/log/lynis*; lynis audit system --cronjob --quiet", check=False)
    report = on(server, "cat /var/log/lynis-report.dat")
    found = re.findall(r"^(?:warning|suggestion)\[\]=([A-Z]+-\d+)\|([^|]*)\|([^|]*)", report, re.MULTILINE)
    index = re.findall(r"^hardening_index=(\d+)", report, re.MULTILINE)[-1]
    return Grade("lynis, hardening index", float(index), 88.0), [" ".join(words).strip(" -") for words in found]


def openscap(server: str) -> tuple[list[Grade], dict[str, dict[str, int]], dict[str, list[str]]]:
    """Pass per cent of pass and fail for each profile, all counts, and the profiles that each failing rule fails in."""
    grades, counts = [], {}
    failing: dict[str, list[str]] = {}
    for what, (profile, target) in PROFILES.items():
        # The rules take a server with this file for a container, to which most do not apply.
        script = f"""
            mv /.dockerenv /.dockerenv.away 2>/dev/null
            oscap xccdf eval --profile {profile} --results /tmp/{profile}.xml {CONTENT} >/dev/null 2>&1
            mv /.dockerenv.away /.dockerenv 2>/dev/null
            cat /tmp/{profile}.xml"""
        results: dict[str, int] = {}
        for rule in ElementTree.fromstring(on(server, script)).iter(f"{XCCDF}rule-result"):
            said = rule.findtext(f"{XCCDF}result") or ""
            if said == "notselected":
                continue
            results[said] = results.get(said, 0) + 1
            if said in ("fail", "error"):
                failing.setdefault(str(rule.get("idref")).removeprefix(RULE), []).append(profile)
        counts[profile] = results
        per_cent = 100 * results["pass"] / (results["pass"] + results["fail"])
        grades.append(Grade(what, round(per_cent, 1), target))
    return grades, counts, failing


def ssh_audit(server: str) -> list[Grade]:
    """Algorithms with a failure, those with a warning, and the built-in policy."""
    process = outside.run("docker", "inspect", "-f", "{{.State.Pid}}", server).stdout.strip()
    tool = ["nsenter", "-t", process, "-n", str(ROOT / ".cache/uv-venv/bin/uv"), "tool", "run", "--quiet", SSH_AUDIT]
    environment = {**os.environ, "UV_TOOL_DIR": str(ROOT / ".cache/uv-tools")}
    # Fetched before: inside the server's network there are no packages.
    subprocess.run([*tool[4:], "--version"], env=environment, capture_output=True, check=False)

    def ask(*options: str) -> str:
        command = [*tool[:5], "tool", "run", "--offline", "--quiet", SSH_AUDIT, *options, "127.0.0.1"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    told = json.loads(ask("-j", "--skip-rate-test"))
    notes = [algorithm["notes"] for kind in ("kex", "key", "enc", "mac") for algorithm in told[kind]]
    policy = json.loads(ask("-j", "-P", SSH_POLICY))
    failing = sum("fail" in note for note in notes)
    warned = sum("warn" in note and "fail" not in note for note in notes)
    return [
        Grade("ssh-audit, algorithms that fail", float(failing), 0.0, most=True),
        Grade("ssh-audit, algorithms with a warning", float(warned), 0.0, most=True),
        Grade("ssh-audit, policy for OpenSSH 10.0", "passed" if policy["passed"] else "failed", "passed"),
    ]


def exposure(server: str) -> tuple[list[Grade], dict[str, float]]:
    """systemd's estimate for units with a target, and for all."""
    said = json.loads(on(server, "systemd-analyze security --no-pager --json=short"))
    found = {entry["unit"]: float(entry["exposure"]) for entry in said if entry["exposure"]}
    apps = on(server, "cd /etc/systemd/system && grep -l 'role app_stack' *.service || true").split()
    wanted = {**EXPOSURE, **dict.fromkeys(apps, APP_EXPOSURE)}
    return [
        Grade(f"systemd-analyze security {unit}", found.get(unit, "absent"), most, most=True)
        for unit, most in wanted.items()
    ], found


def unexplained(failing: Iterable[str], suggestions: Iterable[str], units: Mapping[str, float]) -> dict[str, list[str]]:
    """What benchmarks/findings.yml gives no reason for: OpenSCAP's rules, lynis's tests, units without a target."""
    known = yaml.safe_load(FINDINGS.read_text())
    exposed = (unit for unit, value in units.items() if value > EXPOSED and unit not in EXPOSURE)
    found = {
        "openscap": (failing, [rule for entry in known["openscap"] for rule in entry["rules"]]),
        "lynis": ((said.split()[0] for said in suggestions), [re.escape(entry["test"]) for entry in known["lynis"]]),
        "systemd": (exposed, [unit for entry in known["systemd"] for unit in entry["units"]]),
    }
    return {
        grader: [name for name in dict.fromkeys(names) if not any(re.fullmatch(pattern, name) for pattern in patterns)]
        for grader, (names, patterns) in found.items()
    }


def main() -> int:
    """Grade, print the table, write the JSON. The exit status says whether every target was reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", nargs="?", default=outside.HOST)
    parser.add_argument("--json", type=Path, default=ROOT / "benchmarks" / "results" / "grade.json")
    options = parser.parse_args()

    content = on(options.server, INSTALL.format(content=CONTENT)).strip()
    on(options.server, KERNEL)
    grades = []
    index, suggestions = lynis(options.server)
    grades.append(index)
    grades += ssh_audit(options.server)
    scap, counts, failing = openscap(options.server)
    grades += scap
    units, all_units = exposure(options.server)
    grades += units
    without = unexplained(failing, suggestions, all_units)

    width = max(len(grade.what) for grade in grades)
    for grade in grades:
        relation = "=" if isinstance(grade.target, str) else "<=" if grade.most else ">="
        reached = grade.reached if isinstance(grade.reached, str) else f"{grade.reached:g}"
        target = grade.target if isinstance(grade.target, str) else f"{grade.target:g}"
        print(f"{grade.what:<{width}}  {reached:>7}  {relation:>2} {target:<6}  {'ok' if grade.good else 'MISSED'}")
    for grader, names in without.items():
        print(f"{grader}, without a reason in {FINDINGS.name}: {', '.join(names) or '-'}")
    result: dict[str, Any] = {
        "benchmark": "grade",
        "server": options.server,
        "versions": {
            "lynis": on(options.server, "lynis --version").strip(),
            "openscap": on(options.server, "oscap --version | sed -n '1s/.* //p'").strip(),
            "ssg-debian": content,
            "ssh-audit": SSH_AUDIT.partition("==")[2],
            "systemd": on(options.server, "systemctl --version | sed -n '1s/systemd //p'").strip(),
        },
        "grades": [{**asdict(grade), "good": grade.good} for grade in grades],
        "lynis": suggestions,
        "openscap": {"counts": counts, "failing": failing},
        "exposure": all_units,
        "unexplained": without,
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0 if all(grade.good for grade in grades) and not any(without.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

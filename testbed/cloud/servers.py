# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers as systemd containers, reached over SSH like any other."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any
from zlib import crc32

import yaml

from testbed.cloud import authority, images, services
from testbed.cloud.docker import LABEL, BedError, docker, inspect
from testbed.cloud.places import INVENTORY, NETWORK, ROOT, STATE

KEY = STATE / "id_ed25519"
FACTS = ROOT / ".ansible" / "facts"  # ansible.cfg
MACHINE_CERTIFICATES = Path("/usr/local/share/ca-certificates")
MACHINE_APT = Path("/etc/apt/apt.conf.d")
MACHINE_PIP = Path("/etc/pip.conf")
POOL = [f"172.30.77.{last}" for last in range(32, 128)]  # fixed, so that a server keeps its address when it restarts


def declared() -> dict[str, dict[str, Any]]:
    """The servers that the bed's inventory names, with their variables."""
    tree = yaml.safe_load((INVENTORY / "hosts.yml").read_text())
    found: dict[str, dict[str, Any]] = {}

    def walk(group: dict[str, Any]) -> None:
        for name, variables in (group.get("hosts") or {}).items():
            found.setdefault(name, {}).update(variables or {})
        for child in (group.get("children") or {}).values():
            walk(child or {})

    for group in tree.values():
        walk(group)
    return found


def key() -> str:
    """The operator's public key, made on first use."""
    if not KEY.exists():
        KEY.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "mainstay test bed", "-f", KEY], check=True
        )
    return KEY.with_suffix(".pub").read_text()


def cgroup_v2() -> bool:
    """Whether this machine has the unified cgroup hierarchy."""
    return Path("/sys/fs/cgroup/cgroup.controllers").exists()


def run_flags() -> list[str]:
    """Flags that let systemd and a nested Docker run, also where CAP_SYS_RESOURCE cannot be given."""
    flags = ["--cap-add=ALL", "--cap-drop=SYS_RESOURCE"]
    flags += [f"--security-opt={option}=unconfined" for option in ("seccomp", "apparmor", "systempaths")]
    if not cgroup_v2():
        flags += ["--cgroupns=host", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw"]
    return [*flags, "--volume=/var/lib/docker", "--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec"]


def up(name: str, release: str | None = None, address: str | None = None, memory: str | None = None) -> str:
    """Make sure that a server of this name runs; returns its IPv4 address. A new one is bare."""
    known = inspect(name)
    variables = declared().get(name, {})
    wanted = release or variables.get("testbed_release", "trixie")
    if known and known["Config"]["Labels"].get("mainstay.release") == wanted:
        if not known["State"]["Running"]:
            docker("start", name)
        elif has_root(name):
            return address_of(name)
    elif known:
        down(name)
    if inspect(name) is None:
        address = address or variables.get("ansible_host") or choose(name, given_addresses())
        start(name, wanted, address, memory, variables.get("testbed_domains", []))
    settle(name)
    found = address_of(name)
    services.wait_for_port(found, 22, name)
    for domain in variables.get("testbed_domains", []):
        services.dns(domain, [found])
    return found


def given_addresses() -> set[str]:
    """The fixed addresses of all containers of the bed, running or not."""
    # Whoever else works here may remove one between the list and the look at it.
    known = [inspect(name) for name in docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}").split()]
    networks = [network for item in known if item for network in item["NetworkSettings"]["Networks"].values()]
    given = [(network.get("IPAMConfig") or {}).get("IPv4Address") for network in networks]
    return {address for address in given if address}


def choose(name: str, taken: Collection[str]) -> str:
    """A free address; one that depends on the name, so that two servers that start at once want different ones."""
    first = crc32(name.encode()) % len(POOL)
    for address in POOL[first:] + POOL[:first]:
        if address not in taken:
            return address
    raise BedError(f"the bed has no address left for {name!r}: remove servers (testbed/bed server down NAME)")


def start(name: str, release: str, address: str, memory: str | None, domains: list[str]) -> None:
    """Run the container; what the checkout remembers of an older server of that name is forgotten."""
    for facts in FACTS.glob(f"*{name}"):
        facts.unlink()
    image = images.server(release)
    options = ["--ip", address]
    options += ["--memory", memory] if memory else []
    options += [flag for domain in domains for flag in ("--network-alias", domain)]
    unified = [] if cgroup_v2() else ["SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1", "systemd.unified_cgroup_hierarchy=0"]
    docker(
        "run", "--detach", "--name", name, "--hostname", name, "--network", NETWORK, *options, *run_flags(),
        "--label", LABEL, "--label", "mainstay.role=server", "--label", f"mainstay.release={release}",
        image, "/usr/local/sbin/bed-init", *unified,
    )  # fmt: skip


def settle(name: str) -> None:
    """Give a server what a first boot gives it: the key, trust, and the machine's own ways to packages."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        put(tree / "home/admin/.ssh/authorized_keys", key())
        certificates = sorted(MACHINE_CERTIFICATES.glob("*.crt")) if MACHINE_CERTIFICATES.is_dir() else []
        for source in (*certificates, authority.CA, services.ACME_ROOT):
            put(tree / f"usr/local/share/ca-certificates/{source.stem}.crt", source.read_text())
        for source in sorted(MACHINE_APT.glob("*")):
            if "Acquire::" in source.read_text(errors="replace") and not source.name.startswith("docker-"):
                put(tree / f"etc/apt/apt.conf.d/{source.name}", source.read_text())
        if MACHINE_PIP.exists():
            put(tree / "etc/pip.conf", MACHINE_PIP.read_text())
        archive = subprocess.run(
            ["tar", "-C", folder, "--owner=0", "--group=0", "-c", "."], capture_output=True, check=True
        ).stdout
        unpack = ["docker", "exec", "-i", name, "tar", "-C", "/", "--no-overwrite-dir", "-x"]
        done = subprocess.run(unpack, input=archive, check=False)
        if done.returncode:
            raise BedError(f"{name}: its first settings could not be written")
    booted(name)
    docker("exec", name, "chown", "-R", "admin:admin", "/home/admin/.ssh")
    docker("exec", name, "chmod", "0600", "/home/admin/.ssh/authorized_keys")
    docker("exec", name, "update-ca-certificates", "--fresh")


def booted(name: str, seconds: float = 60) -> None:
    """Return when systemd has finished starting the server."""
    deadline = time.monotonic() + seconds
    while docker("exec", name, "systemctl", "is-system-running", check=False) not in ("running", "degraded"):
        if time.monotonic() > deadline:
            raise BedError(f"{name} did not finish booting in {seconds:.0f} s: docker exec {name} systemctl list-jobs")
        time.sleep(0.1)


def has_root(name: str) -> bool:
    """Whether the server trusts the root that Pebble uses now."""
    held = docker("exec", name, "cat", "/usr/local/share/ca-certificates/acme-root.crt", check=False)
    return held.strip() == services.ACME_ROOT.read_text().strip()


def put(path: Path, content: str) -> None:
    """Write a file and the folders to it, readable for all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def address_of(name: str) -> str:
    """The server's IPv4 address on the bed's network."""
    known = inspect(name)
    if known is None:
        raise BedError(f"there is no server {name!r}: testbed/bed server up {name}")
    return str(known["NetworkSettings"]["Networks"].get(NETWORK, {}).get("IPAddress", ""))


def reboot(name: str) -> None:
    """Restart the server as a machine would be, and return when SSH answers."""
    address_of(name)
    docker("restart", "--time", "60", name)
    booted(name)
    # ufw bans who connects six times in 30 seconds.
    services.wait_for_port(address_of(name), 22, name, pause=6)


def down(name: str) -> None:
    """Remove the server with its disk."""
    known = inspect(name)
    if known is None:
        return
    if known["Config"]["Labels"].get("mainstay.role") != "server":
        raise BedError(f"{name!r} is not a server of the bed")
    docker("rm", "--force", "--volumes", name)

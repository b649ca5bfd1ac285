# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ``bed`` command."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time

from testbed.cloud import images, servers, services
from testbed.cloud.docker import LABEL, BedError, docker, engine_answers, engine_down, engine_up
from testbed.cloud.places import MIRROR_PORT, REGISTRY_PORT, STATE, TESTBED


def product_images(upstream: bool) -> None:
    """Build and push what the registries must hold."""
    services.login()
    environment = os.environ | {"BED_MIRROR": f"127.0.0.1:{MIRROR_PORT}", "BED_REGISTRY": f"127.0.0.1:{REGISTRY_PORT}"}
    command = [str(TESTBED / "images" / "build"), "--push", *(["--upstream"] if upstream else [])]
    if subprocess.run(command, env=environment, check=False).returncode:
        raise BedError("the product's images could not be built: see above")


def up(args: argparse.Namespace) -> None:
    """Everything: engine, network, services, images, the servers of the bed's inventory."""
    begin = time.monotonic()
    engine_up()
    services.all_up()
    product_images(args.upstream_images)
    if not args.no_servers:
        for name in servers.declared():
            print(f"bed: {name} at {servers.up(name)}", flush=True)
    print(f"bed: up ({time.monotonic() - begin:.0f} s)")


def engine(args: argparse.Namespace) -> None:
    """The Docker Engine alone."""
    engine_up() if args.verb == "up" else engine_down()


def down(_: argparse.Namespace) -> None:
    """Remove every container and the network; images, volumes of the registries and secrets stay."""
    if engine_answers():
        services.remove_containers_and_networks()


def clean(args: argparse.Namespace) -> None:
    """Leave no container, network, volume, image or process of ours behind."""
    down(args)
    if engine_answers():
        services.logout()
        for volume in docker("volume", "ls", "--quiet", "--filter", f"label={LABEL}").split():
            docker("volume", "rm", volume)
        ours = docker("image", "ls", "--all", "--quiet", "--filter", f"label={LABEL}").split()
        if ours:
            docker("image", "rm", "--force", *dict.fromkeys(ours), check=False)
    engine_down()
    shutil.rmtree(STATE, ignore_errors=True)


def status(_: argparse.Namespace) -> None:
    """The bed in one look."""
    if not engine_answers():
        print("The test bed is down: no Docker Engine answers. Start it: make testbed-up")
        return
    shown = docker(
        "ps", "--all", "--filter", f"label={LABEL}", "--filter", "label=mainstay.role",
        "--format", '{{.Label "mainstay.role"}}\t{{.Names}}\t{{.Status}}\t{{.Label "mainstay.release"}}',
    )  # fmt: skip
    rows = [("what", "name", "address", "state", "release")]
    for line in sorted(shown.splitlines()):
        role, name, state, release = line.split("\t")
        rows.append((role, name, servers.address_of(name) or "-", state, release or "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    if len(rows) == 1:
        print("nothing runs. Start it: make testbed-up")


def server(args: argparse.Namespace) -> None:
    """One server up, down or rebooted."""
    if args.verb == "up":
        engine_up()
        services.all_up()
        print(servers.up(args.name, args.release, args.ip, args.memory))
    elif args.verb == "down":
        if engine_answers():
            servers.down(args.name)
    else:
        servers.reboot(args.name)


def dns(args: argparse.Namespace) -> None:
    """Point a public name at addresses."""
    services.dns(args.name, args.address)


def sas(args: argparse.Namespace) -> None:
    """Print a SAS."""
    print(services.sas(args.permissions, args.days))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="testbed/bed", description="A cloud on one machine.")
    verbs = top.add_subparsers(required=True, metavar="verb")

    verb = verbs.add_parser("up", help="start everything; again: only what is missing")
    verb.add_argument("--no-servers", action="store_true", help="services and images only")
    verb.add_argument("--upstream-images", action="store_true", help="take database images from Docker Hub")
    verb.set_defaults(run=up)
    verbs.add_parser("down", help="remove containers and network; caches and secrets stay").set_defaults(run=down)
    verbs.add_parser("clean", help="remove everything, secrets included").set_defaults(run=clean)
    verbs.add_parser("status", help="the bed in one look").set_defaults(run=status)

    verb = verbs.add_parser("engine", help="the Docker Engine alone")
    verb.add_argument("verb", choices=("up", "down"))
    verb.set_defaults(run=engine)

    verb = verbs.add_parser("server", help="one server")
    verb.add_argument("verb", choices=("up", "down", "reboot"))
    verb.add_argument("name")
    verb.add_argument("--release", choices=images.RELEASES)
    verb.add_argument("--ip")
    verb.add_argument("--memory")
    verb.set_defaults(run=server)

    verb = verbs.add_parser("dns", help="point a public name at addresses, or at nothing")
    verb.add_argument("name")
    verb.add_argument("address", nargs="*")
    verb.set_defaults(run=dns)

    verb = verbs.add_parser("sas", help="print a SAS for the backups container")
    verb.add_argument("--permissions", required=True, help="as in c, cw, rl")
    verb.add_argument("--days", type=float, default=1.0, help="negative: expired")
    verb.set_defaults(run=sas)
    return top


def main() -> int:
    """Run the command; a BedError is for the user to read."""
    args = parser().parse_args()
    try:
        args.run(args)
    except BedError as error:
        print(f"bed: {error}", file=sys.stderr)
        return 1
    return 0

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container is kept from, read from the rules themselves."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import jinja2
import pytest

TEMPLATE = Path(__file__).parents[5] / "roles/hardening/templates/containers.nft.j2"


def verdict(address: str, proto: str, port: int) -> str:
    """What the first rule of the chain that fits says of a packet from a container; accept where none does."""
    text = jinja2.Template(TEMPLATE.read_text()).render({"__hardening_preflight": {"ssh_ports": [22]}})
    chain = re.search(r"chain from_containers \{\n(.*?)\n    \}", text, re.DOTALL)
    assert chain
    rule = re.compile(
        r"ip6? daddr (?P<to>\{[^}]*\}|\S+)(?: (?P<proto>tcp|udp) dport (?P<ports>\{[^}]*\}|\S+))?.* (?P<do>\S+)$"
    )
    target = ipaddress.ip_address(address)
    for line in chain[1].splitlines():
        if line.strip().startswith("#"):
            continue
        found = rule.fullmatch(line.strip())
        assert found, line
        networks = [ipaddress.ip_network(word) for word in re.findall(r"[0-9a-f.:/]+", found["to"])]
        ports = [int(word) for word in re.findall(r"\d+", found["ports"] or "")]
        meant = found["proto"] in (None, proto) and (not ports or port in ports)
        if meant and any(target in network for network in networks):
            return found["do"]
    return "accept"


@pytest.mark.parametrize(
    ("address", "proto", "port", "expected"),
    [
        pytest.param("169.254.169.254", "tcp", 80, "drop", id="metadata: AWS, Azure, Google, Hetzner and others"),
        pytest.param("169.254.170.2", "tcp", 80, "drop", id="credentials of tasks at AWS"),
        pytest.param("fd00:ec2::254", "tcp", 80, "drop", id="AWS by IPv6"),
        pytest.param("fd20:ce::254", "tcp", 80, "drop", id="Google by IPv6"),
        pytest.param("100.100.100.200", "tcp", 80, "drop", id="Alibaba"),
        pytest.param("168.63.129.16", "tcp", 32526, "drop", id="Azure's wire server"),
        pytest.param("168.63.129.16", "udp", 53, "accept", id="names at Azure"),
        pytest.param("169.254.169.254", "udp", 53, "accept", id="names at Google"),
        pytest.param("169.254.169.253", "tcp", 53, "accept", id="names at AWS, long answers"),
        pytest.param("192.0.2.1", "tcp", 443, "accept", id="the world"),
    ],
)
def test_from_containers(address: str, proto: str, port: int, expected: str) -> None:
    assert verdict(address, proto, port) == expected

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall: wanted rules, the rules ufw has, and the commands between them.

Pure: the module runs the commands. Formats are those of ``ufw show added`` and /etc/default/ufw (ufw(8)).
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COMMENT = "mainstay"
POLICIES = {"incoming": "deny", "outgoing": "allow", "routed": "deny"}
_POLICY_KEYS = {
    "DEFAULT_INPUT_POLICY": "incoming",
    "DEFAULT_OUTPUT_POLICY": "outgoing",
    "DEFAULT_FORWARD_POLICY": "routed",
}
_POLICY_WORDS = {"DROP": "deny", "ACCEPT": "allow", "REJECT": "reject"}
_PORT = re.compile(r"(?P<first>\d{1,5})(?::(?P<last>\d{1,5}))?")


@dataclass(frozen=True)
class Rule:
    """Traffic to ``port`` (``22`` or ``8000:8010``) by ``proto`` from ``source`` (a network, or any when empty)."""

    port: str
    proto: str
    source: str = ""

    def words(self) -> list[str]:
        """Return the rule without its action, as ufw itself prints it."""
        if not self.source:
            return [f"{self.port}/{self.proto}"]
        return ["from", self.source, "to", "any", "port", self.port, "proto", self.proto]


@dataclass
class Firewall:
    """What ufw has: ``rules`` with their actions, ``foreign`` rules of other shapes as words, defaults, switches."""

    active: bool = False
    ipv6: bool = True
    policies: dict[str, str] = field(default_factory=dict)
    rules: dict[Rule, str] = field(default_factory=dict)
    foreign: list[list[str]] = field(default_factory=list)

    def describe(self) -> str:
        """Return the state as the lines of a diff."""
        lines = [f"{'active' if self.active else 'inactive'}, IPv6 {'on' if self.ipv6 else 'off'}"]
        lines += [f"default {policy} {way}" for way, policy in sorted(self.policies.items())]
        lines += sorted(" ".join([action, *rule.words()]) for rule, action in self.rules.items())
        lines += sorted(" ".join(words) for words in self.foreign)
        return "".join(f"{line}\n" for line in lines)


def network(text: str) -> str:
    """Return an address or network as ufw writes it: ``192.0.2.7/32`` is ``192.0.2.7``.

    Raises ValueError, saying what would be right, for anything else: text, host bits, everything (``/0``).
    """
    try:
        net = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"'{text}' is not an address or network (try '192.0.2.0/24' or '2001:db8::/32')") from None
    if net.prefixlen == 0:
        raise ValueError(f"'{text}' is everything: leave it out instead")
    if "/" in text and ipaddress.ip_address(text.split("/", 1)[0]) != net.network_address:
        raise ValueError(f"'{text}' has host bits set (try '{net}')")
    return str(net.network_address) if net.prefixlen == net.max_prefixlen else str(net)


def port(value: object) -> str:
    """Return a port or a range ``first:last`` as text. Raises ValueError for anything else."""
    match = _PORT.fullmatch(str(value))
    first, last = (int(match["first"]), int(match["last"] or match["first"])) if match else (0, 0)
    if not 1 <= first <= last <= 65535:
        raise ValueError(f"'{value}' is not a port (try 443 or '8000:8010')")
    return str(value)


def sources(values: Iterable[str], where: str) -> tuple[list[str], list[str]]:
    """Normalise a list of networks. Returns them and the errors, each with its path (``where[1]: …``)."""
    good: list[str] = []
    errors: list[str] = []
    for index, value in enumerate(values):
        try:
            good.append(network(value))
        except ValueError as error:
            errors.append(f"{where}[{index}]: {error}")
    return list(dict.fromkeys(good)), errors


def rules(values: Iterable[Mapping[str, Any]], where: str) -> tuple[dict[Rule, str], list[str]]:
    """Read rules ``{port, proto, from}``. Returns them as allowed, and the errors, each with its path."""
    good: dict[Rule, str] = {}
    errors: list[str] = []
    for index, value in enumerate(values):
        parts: dict[str, str] = {}
        for key, read in (("port", port), ("from", network)):
            if key == "from" and not value.get("from"):
                continue
            try:
                parts[key] = read(value.get(key))  # type: ignore[arg-type]
            except ValueError as error:
                errors.append(f"{where}[{index}].{key}: {error}")
        if "port" in parts:
            good[Rule(parts["port"], value.get("proto") or "tcp", parts.get("from", ""))] = "allow"
    return good, errors


def ssh_rules(ports: Iterable[int], allowed: Sequence[str]) -> dict[Rule, str]:
    """Rules for SSH: the allowed networks without a limit and nobody else; with none, everybody within ufw's limit."""
    return {
        Rule(str(number), "tcp", source): "allow" if source else "limit"
        for number in ports
        for source in (allowed or [""])
    }


def parse_added(text: str) -> tuple[dict[Rule, str], list[list[str]]]:
    """Parse ``ufw show added``: rules of our shapes by action, and the words of all others."""
    known: dict[Rule, str] = {}
    foreign: list[list[str]] = []
    for line in text.splitlines():
        if not line.startswith("ufw "):
            continue
        words = shlex.split(line)[1:]
        if "comment" in words:
            words = words[: words.index("comment")]
        rule = _rule(words[1:])
        if rule is None or words[0] not in ("allow", "limit", "deny", "reject"):
            foreign.append(words)
        else:
            known[rule] = words[0]
    return known, foreign


def _rule(words: Sequence[str]) -> Rule | None:
    match words:
        case [target] if re.fullmatch(r"[\d:]+/(tcp|udp)", target):
            return Rule(*target.split("/"))
        case ["from", source, "to", "any", "port", number, "proto", ("tcp" | "udp") as proto]:
            return Rule(number, proto, source)
    return None


def parse_defaults(text: str) -> tuple[dict[str, str], bool]:
    """Parse /etc/default/ufw. Returns the policies by direction, and whether IPv6 is filtered too."""
    values = dict(re.findall(r'^([A-Z0-9_]+)="?([^"\n]*)"?', text, re.MULTILINE))
    policies = {way: _POLICY_WORDS.get(values.get(key, ""), "unset") for key, way in _POLICY_KEYS.items()}
    return policies, values.get("IPV6") == "yes"


def with_ipv6(text: str) -> str:
    """Return /etc/default/ufw with IPv6 switched on."""
    return re.sub(r"^IPV6=.*\n?", "", text, flags=re.MULTILINE).rstrip("\n") + "\nIPV6=yes\n"


def target(wanted: Mapping[Rule, str]) -> Firewall:
    """Return the firewall that has these rules and nothing else."""
    return Firewall(active=True, ipv6=True, policies=dict(POLICIES), rules=dict(wanted))


def plan(now: Firewall, want: Firewall) -> list[list[str]]:
    """Return ufw's arguments, call by call, that lead from one state to the other; none when they are the same.

    Nothing is closed before all that is wanted is open, so an SSH session that the wanted rules allow is never cut.
    A changed action (``allow`` to ``limit``) is one call: ufw replaces the rule in place.
    """
    # Rules made while IPv6 was off have no IPv6 half: all are given again.
    held = now.rules if now.ipv6 else {}
    calls = [
        [action, *rule.words(), "comment", COMMENT] for rule, action in want.rules.items() if held.get(rule) != action
    ]
    for rule, action in now.rules.items():
        if rule not in want.rules:
            calls.append(["--force", "delete", action, *rule.words()])
    for words in now.foreign:
        routed = words[0] == "route"
        calls.append(["--force", *(["route"] if routed else []), "delete", *words[1 if routed else 0 :]])
    calls += [["default", p, way] for way, p in want.policies.items() if now.policies.get(way) != p]
    if want.active and not now.active:
        calls.append(["--force", "enable"])
    elif want.active and not now.ipv6:
        calls.append(["reload"])
    return calls


def plan_absent(now: Firewall) -> list[list[str]]:
    """Return ufw's arguments that switch the firewall off and then forget the rules."""
    calls = [["--force", "disable"]] if now.active else []
    return calls + plan(now, Firewall(active=False, ipv6=now.ipv6, policies=now.policies))

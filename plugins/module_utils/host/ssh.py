# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's own SSH session and what hardening must not take from it.

Pure. ``SSH_CONNECTION`` is ``client-address client-port server-address server-port`` (ssh(1)).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

KEPT = (
    *("Port", "AddressFamily", "ListenAddress", "HostKey", "HostCertificate", "TrustedUserCAKeys", "RevokedKeys"),
    *("AuthorizedKeysFile", "AuthorizedKeysCommand", "AuthorizedKeysCommandUser"),
    *("AuthorizedPrincipalsFile", "AuthorizedPrincipalsCommand", "AuthorizedPrincipalsCommandUser"),
    *("AllowUsers", "AllowGroups", "DenyUsers", "DenyGroups", "AuthenticationMethods"),
)


@dataclass(frozen=True)
class Session:
    """Where the operator comes from, which port of the server was reached, and who logged in."""

    source: str
    server_port: int
    user: str


def session(environs: Iterable[Mapping[str, str]]) -> Session | None:
    """Find the SSH session among the environments of a process and its ancestors, nearest first.

    sudo and su clear the variables, their parents still have them. None: not come by SSH (a timer, a local run).
    """
    for environ in environs:
        parts = environ.get("SSH_CONNECTION", "").split()
        if len(parts) == 4:
            address = ipaddress.ip_address(parts[0].split("%", 1)[0])
            mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
            return Session(str(mapped or address), int(parts[3]), environ.get("USER") or environ.get("LOGNAME", ""))
    return None


def parse_effective(text: str) -> dict[str, list[str]]:
    """Parse ``sshd -T``: values by lower-case keyword; a keyword may come more than once (``port``)."""
    values: dict[str, list[str]] = {}
    for line in text.splitlines():
        keyword, _space, value = line.partition(" ")
        values.setdefault(keyword.lower(), []).append(value.strip())
    return values


def kept(effective: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the lines of ``sshd -T`` that say who comes in, by which keys and where.

    A new configuration keeps them.
    """
    return [
        f"{name} {value}"
        for name in KEPT
        for value in effective.get(name.lower(), [])
        if value not in ("", "none", "any")
        and not (name == "ListenAddress" and value.startswith(("0.0.0.0:", "[::]:")))
    ]


def conditional(config: str) -> list[str]:
    """Return the ``Match`` lines of an sshd_config: what is under them may be all that confines a user."""
    return [line.strip() for line in config.splitlines() if re.match(r"\s*match[\s=]", line, re.IGNORECASE)]


def key_files(effective: Mapping[str, Sequence[str]], user: str, home: str, uid: int) -> list[str]:
    """Return the files that sshd looks in for a user's keys, with its tokens replaced (sshd_config(5), TOKENS)."""
    tokens = {"%h": home, "%u": user, "%U": str(uid), "%%": "%"}
    files = [
        re.sub("%[huU%]", lambda m: tokens[m[0]], word)
        for value in effective.get("authorizedkeysfile", [".ssh/authorized_keys"])
        for word in value.split()
        if word != "none"
    ]
    return [f if f.startswith("/") else f"{home}/{f}" for f in files]


def has_key(text: str) -> bool:
    """Whether an authorized_keys file holds at least one key."""
    return any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines())


def keys_come_from_elsewhere(effective: Mapping[str, Sequence[str]]) -> bool:
    """Whether logins can be granted by something that no file of the user's shows: a command, a CA, Kerberos."""
    given = [effective.get(k, ["none"])[0] for k in ("authorizedkeyscommand", "trustedusercakeys")]
    return any(g != "none" for g in given) or effective.get("gssapiauthentication", ["no"])[0] == "yes"


def check(
    current: Session | None,
    allowed: Sequence[str],
    user_has_key: bool,
    options: Mapping[str, object],
    users: Sequence[str] = (),
) -> list[str]:
    """Return why hardening would lock out the operator who is connected now, one sentence each.

    ``allowed`` are networks, none meaning anyone; ``options`` the sshd settings that the inventory overrides; ``users``
    those who may log in, none meaning everyone.
    """
    if current is None:
        return []
    errors = []
    if allowed and not any(ipaddress.ip_address(current.source) in ipaddress.ip_network(net) for net in allowed):
        errors.append(
            f"hardening_ssh_allowed_sources: you are connected from {current.source}, which is in none of "
            f"{', '.join(allowed)}: add it, or connect from an address that is in the list"
        )
    if not user_has_key:
        errors.append(
            f"password logins are about to be switched off, and user '{current.user}' has no key on the server: "
            f"add one first (ssh-copy-id {current.user}@…)"
        )
    if users and current.user not in users:
        errors.append(
            f"hardening_ssh_users: you are connected as '{current.user}', who is not among {', '.join(users)}: add "
            "this user, or connect as one of them"
        )
    root_login = next((str(v).lower() for k, v in options.items() if k.lower() == "permitrootlogin"), "")
    if current.user == "root" and root_login in ("no", "false", "forced-commands-only"):
        errors.append(
            f"hardening_ssh_options.PermitRootLogin: '{root_login}' would lock out root, as whom you are connected: "
            "connect as another user, or leave it out"
        )
    return errors

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets as they lie on a server: what the inventory wants, what was there before, and what one of them reaches. Pure.

A file of variables has one of them in a line, ``KEY="value"``, as ``env_file`` of the projections writes it for
Compose. ``environment_file``, for systemd, lets line breaks stand inside the quotes. Nothing here quotes: lines are
taken over whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

VARIABLES = "release/env/"
PASSWORDS = "data/secrets/"
# Redis reads its password from its configuration, which lies beside the password.
CONFIGURATION = ".conf"
_LINE = re.compile(r'^(\w+)="((?:[^"\\]|\\.)*)"$', re.MULTILINE | re.DOTALL)
_REQUIREPASS = re.compile(r"^requirepass .*$", re.MULTILINE)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}


def lines(text: str) -> dict[str, str]:
    """Return the lines of a file of variables by their names."""
    return {found[1]: found[0] for found in _LINE.finditer(text)}


def values(text: str) -> dict[str, str]:
    """Return the values in a file of variables by their names."""
    return {found[1]: _plain(found[2]) for found in _LINE.finditer(text)}


def _plain(quoted: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), quoted)


def renewed(text: str, today: Mapping[str, str]) -> str:
    """Return a file of variables with today's lines in place of its own; it gets none that it did not have."""
    return _LINE.sub(lambda found: today.get(found[1], found[0]), text)


def with_password_of(text: str, other: str) -> str:
    """Return a configuration of Redis with the password that another one has."""
    line = _REQUIREPASS.search(other)
    return _REQUIREPASS.sub(lambda found: line[0] if line else found[0], text)


@dataclass(frozen=True)
class Secrets:
    """``passwords`` by database, ``variables`` as lines by name, ``configurations`` of Redis by database."""

    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    configurations: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, files: Mapping[str, str]) -> Secrets:
        """Read files by their paths, as ``release/env/app.env`` and ``data/secrets/db``."""
        passwords, variables, configurations = {}, {}, {}
        for path, text in files.items():
            if path.startswith(VARIABLES):
                variables.update(lines(text))
            elif path.startswith(PASSWORDS) and path.endswith(CONFIGURATION):
                configurations[path[len(PASSWORDS) : -len(CONFIGURATION)]] = text
            elif path.startswith(PASSWORDS):
                passwords[path[len(PASSWORDS) :]] = text
        return cls(passwords, variables, configurations)

    @property
    def names(self) -> list[str]:
        """What may be rotated: databases first."""
        return [*self.passwords, *self.variables]

    def value(self, key: str) -> str:
        """Return the value of a variable."""
        return values(self.variables.get(key, "")).get(key, "")


@dataclass(frozen=True)
class Scope:
    """What is rotated together: passwords of ``databases``, and ``variables`` by name."""

    databases: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.databases) + len(self.variables)

    def __or__(self, other: Scope) -> Scope:
        return Scope(
            tuple(dict.fromkeys((*self.databases, *other.databases))),
            tuple(dict.fromkeys((*self.variables, *other.variables))),
        )

    @property
    def text(self) -> str:
        """What it is, in words."""
        return ", ".join([*(f"the password of {name}" for name in self.databases), *self.variables])


def changed(wanted: Secrets, current: Secrets) -> Scope:
    """Return everything that the server has with another value."""
    return Scope(
        tuple(name for name, value in wanted.passwords.items() if current.passwords.get(name, value) != value),
        tuple(name for name, line in wanted.variables.items() if current.variables.get(name, line) != line),
    )


def scope(names: Iterable[str], wanted: Secrets, current: Secrets) -> Scope:
    """Return what has to change together with the named ones: whatever holds the same password."""
    differing = changed(wanted, current)
    found = Scope()
    for name in names:
        if name in wanted.passwords:
            databases = [name]
        else:
            databases = [item for item in wanted.passwords if holds(name, item, wanted, current)]
        variables = [key for key in wanted.variables if any(holds(key, item, wanted, current) for item in databases)]
        # Where none of those that have changed holds the password, one of them may hold it in a form unknown here.
        hidden = set(databases) & set(differing.databases) and not set(variables) & set(differing.variables)
        own = [] if name in wanted.passwords else [name]
        found |= Scope(tuple(databases), (*own, *variables, *(differing.variables if hidden else ())))
    return found


def holds(key: str, database: str, wanted: Secrets, current: Secrets) -> bool:
    """Whether a variable has the password of a database in it, today's or the one before, as it is or as in a URL."""
    for secrets in (wanted, current):
        password, value = secrets.passwords.get(database), secrets.value(key)
        if password and any(
            form in value for form in (password, quote(password), quote(password, ""), quote_plus(password))
        ):
            return True
    return False


def unserved(of: Scope, wanted: Secrets, has: Mapping[str, str]) -> list[str]:
    """Return the variables in the scope of which a container, whose environment is ``has``, holds another value."""
    return [key for key in of.variables if key in has and key in wanted.variables and has[key] != wanted.value(key)]


def targets(of: Scope, wanted: Secrets, files: Mapping[str, str]) -> dict[str, str]:
    """Return the files that have to change, and to what; ``files`` are those that are there, by path."""
    today = {key: wanted.variables[key] for key in of.variables if key in wanted.variables}
    result = {}
    for path, text in files.items():
        if "/env/" in path:
            new = renewed(text, today)
        else:
            new = _password_file(path.rpartition("/")[2], text, of.databases, wanted)
        if new != text:
            result[path] = new
    return result


def _password_file(name: str, text: str, databases: Collection[str], wanted: Secrets) -> str:
    base = name[: -len(CONFIGURATION)] if name.endswith(CONFIGURATION) else name
    if base not in databases or base not in wanted.passwords:
        return text
    if name.endswith(CONFIGURATION):
        return with_password_of(text, wanted.configurations.get(base, text))
    return wanted.passwords[base]

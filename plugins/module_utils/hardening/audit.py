# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of the kernel's audit: which of a file's the kernel lacks. Pure."""

from __future__ import annotations


def rules(text: str) -> list[str]:
    """The rules of a file, or of what ``auditctl -l`` prints, without comments and settings."""
    return [line.strip() for line in text.splitlines() if line.strip().startswith(("-w ", "-a "))]


def missing(wanted: str, listing: str) -> list[str]:
    """Rules of a file that ``auditctl -l`` does not list."""
    there = {_same(rule) for rule in rules(listing)}
    return [rule for rule in rules(wanted) if _same(rule) not in there]


def _same(rule: str) -> frozenset[tuple[str, str]]:
    """A rule in one form, whichever the kernel gives it back in: it sorts, renames and spells out."""
    words = rule.split()
    pairs = []
    for option, value in zip(words[::2], words[1::2], strict=False):
        if option == "-k":
            option, value = "-F", f"key={value}"
        elif option == "-w":
            # A directory comes back with a slash.
            value = value.rstrip("/")
        elif option == "-p":
            value = "".join(sorted(value))
        elif option == "-C":
            value = "!=".join(sorted(value.split("!=")))
        elif option in ("-S", "-a"):
            value = ",".join(sorted(value.split(",")))
        if option == "-F":
            value = {"arch=x86_64": "arch=b64", "arch=aarch64": "arch=b64"}.get(value, value)
            value = value.replace("auid!=unset", "auid!=-1").replace("auid!=4294967295", "auid!=-1")
        pairs.append((option, value))
    return frozenset(pairs)

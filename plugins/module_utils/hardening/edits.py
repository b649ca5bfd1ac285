# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One line of a file that is the distribution's: put ours in its place, and take it back. Pure.

An edit is ``{path, match, line}``. ``match`` is a regular expression for the beginning of the line, after blanks and
without a comment sign; empty, it is the whole file. A ``line`` of ``+word`` or ``-word`` adds or takes one word of the
lines that match.
"""

from __future__ import annotations

import re
from collections.abc import Mapping


def apply(text: str, edit: Mapping[str, str]) -> str:
    """Return the text with the edit made; the same text where it is made already."""
    match, line = edit["match"], edit["line"]
    if not match:
        return line if line.endswith("\n") or not line else line + "\n"
    lines = text.splitlines()
    active = [i for i, now in enumerate(lines) if re.match(rf"\s*(?:{match})", now)]
    if line[:1] in "+-":
        return _joined([_word(now, line) if i in active else now for i, now in enumerate(lines)])
    if active:
        kept = [now for i, now in enumerate(lines) if i not in active[1:]]
        kept[active[0]] = line
        return _joined(kept)
    commented = [i for i, now in enumerate(lines) if re.match(rf"\s*#\s*(?:{match})", now)]
    at = commented[0] + 1 if commented else len(lines)
    return _joined([*lines[:at], line, *lines[at:]])


def undo(text: str, edit: Mapping[str, str], original: str) -> str:
    """Return the text without the edit: with what the original had in its place."""
    match, line = edit["match"], edit["line"]
    if not match:
        return original
    before = [now for now in original.splitlines() if re.match(rf"\s*(?:{match})", now)]
    lines = text.splitlines()
    if line[:1] in "+-":
        had = any(line[1:] in now.split() for now in before)
        if had == (line[0] == "+"):
            return text
        back = ("+" if had else "-") + line[1:]
        return _joined([_word(now, back) if re.match(rf"\s*(?:{match})", now) else now for now in lines])
    if line not in lines:
        return text
    at = lines.index(line)
    return _joined([*lines[:at], *before, *lines[at + 1 :]])


def _word(line: str, change: str) -> str:
    word = change[1:]
    has = word in line.split()
    if change[0] == "+":
        return line if has else f"{line.rstrip()} {word}"
    return re.sub(rf"\s+{re.escape(word)}(?=\s|$)", "", line) if has else line


def _joined(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)

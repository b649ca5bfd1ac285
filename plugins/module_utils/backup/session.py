# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client of a database that is kept open, so that several steps share one connection, or one transaction."""

from __future__ import annotations

import contextlib

from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place, Running

MARK = "mainstay: end of answer"


class Session:
    """Statements go in, lines come out.

    ``called`` names the client in errors; ``echo`` is what makes it print MARK, in which ``{}`` stands for the text.
    """

    def __init__(self, place: Place, tool: Running, called: str, echo: str) -> None:
        self._place = place
        self._tool = tool
        self._called = called
        self._echo = echo.format(MARK)

    def ask(self, sql: str) -> list[str]:
        """Send statements and return the lines of the answer. Raises ToolError when the client gave up."""
        lines: list[str] = []
        with contextlib.suppress(BrokenPipeError):
            self._tool.stdin.write(f"{sql}\n{self._echo}\n".encode())
            self._tool.stdin.flush()
        for raw in self._tool.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            if line == MARK:
                return lines
            lines.append(line)
        raise self._place.failure(self._called, self._tool.process.wait(), self._tool.errors())

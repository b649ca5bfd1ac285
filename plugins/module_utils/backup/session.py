# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client of a database that is kept open, so that several steps share one connection, or one transaction."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable

from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place, Running, ToolError

MARK = "mainstay: end of answer"


class Session:
    """Statements go in, lines come out.

    ``called`` names the client in errors; ``echo`` is what makes it print MARK, in which ``{}`` stands for the text.
    A line that starts with one of ``refusals`` is an error of the server, which may refuse to print MARK as well.
    """

    def __init__(self, place: Place, tool: Running, called: str, echo: str, refusals: tuple[str, ...] = ()) -> None:
        self._place = place
        self._tool = tool
        self._called = called
        self._echo = echo.format(MARK)
        self._refusals = refusals

    def ask(self, sql: str) -> list[str]:
        """Send statements and return the lines of the answer. Raises ToolError when client or server gave up."""
        lines: list[str] = []
        with contextlib.suppress(BrokenPipeError):
            self._tool.stdin.write(f"{sql}\n{self._echo}\n".encode())
            self._tool.stdin.flush()
        for raw in self._tool.stdout:
            line = raw.decode(errors="replace").rstrip("\n")
            if line == MARK:
                return lines
            if line.startswith(self._refusals):
                raise ToolError(f"{self._called} in {self._place} refuses {sql.split()[0]}: {line}")
            lines.append(line)
        raise self._place.failure(self._called, self._tool.process.wait(), self._tool.errors())

    def last(self, statements: Iterable[str]) -> tuple[list[str], str]:
        """Send the last statements, each a line, and wait for the client to end.

        Returns the lines of all answers, and all that the client has complained of since it was started: one that goes
        on behind an error says there what it was.
        """

        def feed() -> None:
            with contextlib.suppress(BrokenPipeError):
                for statement in statements:
                    self._tool.stdin.write(f"{statement}\n".encode())
            with contextlib.suppress(BrokenPipeError):
                self._tool.stdin.close()

        # Answers are read meanwhile: a client that cannot get rid of them takes no more statements.
        feeder = threading.Thread(target=feed, daemon=True)
        feeder.start()
        lines = [raw.decode(errors="replace").rstrip("\n") for raw in self._tool.stdout]
        feeder.join()
        self._tool.process.wait()
        return lines, self._tool.errors()

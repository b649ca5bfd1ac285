# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.grade [--server NAME] [--domain NAME] [GRADER...]``: one table, and 1 where a goal is missed."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from .grader import Row, Server

GRADERS = sorted(
    path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_") and path.stem != "grader"
)


def table(rows: list[Row]) -> str:
    """The rows, aligned."""
    mark = {True: "ok", False: "MISSED", None: ""}
    cells = [("grader", "what", "got", "goal", ""), *((r.grader, r.what, r.got, r.goal, mark[r.passed]) for r in rows)]
    widths = [max(len(cell[column]) for cell in cells) for column in range(5)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(cell, widths, strict=True)).rstrip() for cell in cells
    )


def main() -> int:
    """Run the graders one after the other, print their table."""
    parser = argparse.ArgumentParser(prog="python -m tests.grade")
    parser.add_argument("--server", default="snippetly-prod")
    parser.add_argument("--domain", default="snippetly.example")
    parser.add_argument("grader", nargs="*", metavar="GRADER", help=f"of {', '.join(GRADERS)}; all when left out")
    args = parser.parse_args()
    if unknown := set(args.grader) - set(GRADERS):
        parser.error(f"no grader {', '.join(sorted(unknown))} (known: {', '.join(GRADERS)})")
    server = Server(args.server, args.domain)
    rows: list[Row] = []
    for name in args.grader or GRADERS:
        rows += importlib.import_module(f"tests.grade.{name}").grade(server)
    print(table(rows))
    return 1 if any(row.passed is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())

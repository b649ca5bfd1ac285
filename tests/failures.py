# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Say again what failed, at the end of a log: Molecule takes the server down after its verifier's report."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

_LINES = 12


def failures(report: str) -> list[str]:
    """Each failed test of a JUnit report: its name, then the last lines of what it said."""
    told = []
    for case in ElementTree.fromstring(report).iter("testcase"):
        for fault in (*case.findall("failure"), *case.findall("error")):
            lines = (fault.get("message") or fault.text or "").strip().splitlines()[-_LINES:]
            told.append("\n  ".join([f"{case.get('classname')}::{case.get('name')}", *lines]))
    return told


if __name__ == "__main__":
    path = Path(sys.argv[1])
    print("\n".join(failures(path.read_text()) if path.exists() else [f"{path}: no test has run; see above"]))

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""testssl.sh 3.2.1: grade and score after SSL Labs' guide; every finding that is worse than LOW by name."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from .grader import Row, Server, at_least, exactly, inside

# Of a private authority and no public DNS, as security-anchors.md says of every server on the bed.
ARTEFACTS = {"cert_revocation", "DNS_CAArecord", "cert_chain_of_trust", "cert_trust"}


def grade(server: Server) -> list[Row]:
    """A+ is wanted; of the score 96 with TLS 1.2, and 100 where the server speaks TLS 1.3 with 256 bits alone."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "testssl.json"
        command = [
            "testssl",
            "--quiet",
            "--color",
            "0",
            "--warnings",
            "off",
            "--ip",
            "127.0.0.1",
            "--add-ca",
            "/ca.pem",
        ]
        done = inside(
            server, [*command, "--jsonfile", "/out/testssl.json", f"{server.domain}:443"], "-v", f"{folder}:/out"
        )
        if not out.exists():
            return [Row("testssl", "ran", done.stdout[-300:] + done.stderr[-300:], "a report", False)]
        found = {item["id"]: item for item in json.loads(out.read_text())}
    modern = found["TLS1_2"]["finding"].startswith("not offered")
    bad = [
        name
        for name, item in found.items()
        if item["severity"] in ("MEDIUM", "HIGH", "CRITICAL") and name not in ARTEFACTS
    ]
    return [
        exactly("testssl", "grade", found["overall_grade"]["finding"], "A+"),
        at_least("testssl", f"score, {'TLS 1.3 alone' if modern else 'TLS 1.2 and 1.3'}",
                 float(found["final_score"]["finding"]), 100 if modern else 96),
        exactly("testssl", "findings above LOW", ", ".join(bad) or "none", "none"),
    ]  # fmt: skip

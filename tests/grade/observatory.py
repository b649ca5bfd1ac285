# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mozilla's HTTP Observatory 1.4.8: the site's security headers, judged on its first page."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

from testbed.outside import ROOT

from .grader import CACHE, HERE, Row, Server, at_least, exactly, inside

PACKAGE = "node_modules/@mdn/mdn-http-observatory"


def install() -> None:
    """Install what package-lock.json pins. The list of preloaded names, which is downloaded otherwise, stays empty."""
    ours, theirs = HERE / "package-lock.json", CACHE / "package-lock.json"
    if theirs.exists() and theirs.read_text() == ours.read_text() and (CACHE / PACKAGE).exists():
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "package.json", CACHE)
    shutil.copy(ours, CACHE)
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    paths = {"PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}", "npm_config_cache": f"{ROOT}/.cache/npm"}
    subprocess.run(["npm", "ci", "--prefix", str(CACHE), *quiet], check=True, env={**os.environ, **paths})
    lists = CACHE / PACKAGE / "conf"
    lists.mkdir(exist_ok=True)
    (lists / "hsts-preload.json").write_text("{}")


def grade(server: Server) -> list[Row]:
    """A+ and 130 are wanted."""
    install()
    mounts = ["--volume", f"{CACHE}/node_modules:/opt/node_modules:ro", "--env", "NODE_EXTRA_CA_CERTS=/ca.pem"]
    done = inside(server, ["node", f"/opt/{PACKAGE}/src/scan.js", server.domain], *mounts)
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        return [Row("observatory", "ran", (done.stdout + done.stderr)[-300:], "a report", False)]
    failed = [name for name, test in report["tests"].items() if test["pass"] is False]
    return [
        exactly("observatory", "grade", report["scan"]["grade"], "A+"),
        at_least("observatory", "score", report["scan"]["score"], 130),
        exactly("observatory", "tests not passed", ", ".join(failed) or "none", "none"),
    ]

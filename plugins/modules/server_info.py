#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: server_info
short_description: Say what a server that Mainstay made runs now
version_added: 0.1.0
description:
  - Reads releases, containers, certificates, backups and monitoring targets of a server, without changing anything.
  - What is not there yet is left out of the answer, so the module works on a bare server as well.
author:
  - Mainstay contributors (@mainstay-platform)
options:
  apps:
    description: Names of the apps to report.
    type: list
    elements: str
    default: []
  certificates:
    description: Names of the certificates to report.
    type: list
    elements: str
    default: []
  backups:
    description: Backup jobs to report.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the job.
        type: str
        required: true
      app:
        description: App that the database belongs to.
        type: str
        required: true
      database:
        description: Name of the database.
        type: str
        required: true
      schedule:
        description: When the job runs, as a systemd calendar expression.
        type: str
extends_documentation_fragment:
  - mainstay.platform.attributes.read_only
"""

EXAMPLES = r"""
- name: Look at the server
  mainstay.platform.server_info:
    apps: [snippetly]
    certificates: [snippetly]
    backups:
      - {name: snippetly-postgres, app: snippetly, database: postgres}
  register: server
"""

RETURN = r"""
apps:
  description: Release and slot that serve, for each app.
  returned: always
  type: list
  elements: dict
  sample: [{name: snippetly, release: good-1, slot: blue}]
containers:
  description: Containers of the apps and their state as Docker words it.
  returned: always
  type: list
  elements: dict
  sample: [{container: snippetly-blue-backend-1, state: Up 3 minutes (healthy)}]
certificates:
  description: Issuer and end of each certificate, in seconds since the epoch.
  returned: always
  type: list
  elements: dict
  sample: [{name: snippetly, issuer: Pebble Intermediate CA, not_after: 1802000000}]
backups:
  description: The newest backup of each job that is on the server.
  returned: always
  type: list
  elements: dict
  sample: [{name: snippetly-postgres, finished: 1800000000, size: 20480, level: full, verdict: ok}]
targets:
  description: How many monitoring targets answer.
  returned: always
  type: dict
  sample: {up: 6, total: 6, down: []}
"""

import json
import shutil
import ssl
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import open_url

STATE = Path("/var/lib/mainstay/app_stack")
CERTIFICATES = Path("/etc/mainstay/tls")
BACKUPS = Path("/var/backups/mainstay")
TARGETS = "http://127.0.0.1:9090/api/v1/targets?state=active"


def app(name: str) -> dict[str, Any]:
    """Release and slot that serve, from the state that ``app_stack`` keeps."""
    try:
        state = json.loads((STATE / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"name": name}
    serving = state.get("serving") or {}
    return {"name": name, "release": serving.get("release"), "slot": serving.get("slot")}


def containers(names: list[str]) -> list[dict[str, str]]:
    """Containers of the apps, sorted by name."""
    docker = shutil.which("docker")
    if not docker or not names:
        return []
    listing = subprocess.run(
        [docker, "ps", "--all", "--format", '{{.Names}}\t{{.Status}}\t{{.Label "com.docker.compose.project"}}'],
        capture_output=True,
        text=True,
        check=False,
    )
    projects = {f"{name}-{part}" for name in names for part in ("data", "blue", "green")}
    rows = [line.split("\t") for line in listing.stdout.splitlines()]
    return sorted(
        ({"container": row[0], "state": row[1]} for row in rows if len(row) == 3 and row[2] in projects),
        key=lambda item: item["container"],
    )


def certificate(name: str) -> dict[str, Any]:
    """Issuer and end of the certificate that is served."""
    path = CERTIFICATES / name / "fullchain.pem"
    openssl = shutil.which("openssl")
    if not openssl or not path.exists():
        return {"name": name}
    shown = subprocess.run(
        [openssl, "x509", "-in", str(path), "-noout", "-enddate", "-issuer", "-nameopt", "multiline"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    fields = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
    issuer = next((value.strip() for key, value in fields.items() if key.strip() == "commonName"), None)
    if "notAfter" not in fields:
        return {"name": name}
    return {"name": name, "issuer": issuer, "not_after": ssl.cert_time_to_seconds(fields["notAfter"])}


def backup(job: dict[str, Any]) -> dict[str, Any]:
    """The newest backup of one job that is on the server."""
    found = {"name": job["name"], "schedule": job.get("schedule")}
    manifests = sorted((BACKUPS / job["app"] / job["database"]).glob("*.manifest.json"))
    if not manifests:
        return found
    manifest = json.loads(manifests[-1].read_text(encoding="utf-8"))
    proof = manifest.get("verification") or {}
    finished = datetime.fromisoformat(manifest["finished"].replace("Z", "+00:00")).timestamp()
    return found | {
        "finished": finished,
        "size": manifest["size"],
        "level": proof.get("level"),
        "verdict": proof.get("verdict"),
    }


def targets() -> dict[str, Any]:
    """How many targets Prometheus reaches; empty where it does not run."""
    try:
        with open_url(TARGETS, timeout=5, use_proxy=False) as answer:
            active = json.load(answer)["data"]["activeTargets"]
    except OSError:
        return {}
    down = sorted(f"{item['labels']['job']} {item['labels']['instance']}" for item in active if item["health"] != "up")
    return {"up": len(active) - len(down), "total": len(active), "down": down}


def main() -> None:
    """Collect and answer."""
    module = AnsibleModule(
        argument_spec={
            "apps": {"type": "list", "elements": "str", "default": []},
            "certificates": {"type": "list", "elements": "str", "default": []},
            "backups": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "app": {"type": "str", "required": True},
                    "database": {"type": "str", "required": True},
                    "schedule": {"type": "str"},
                },
            },
        },
        supports_check_mode=True,
    )
    module.exit_json(
        changed=False,
        apps=[app(name) for name in module.params["apps"]],
        containers=containers(module.params["apps"]),
        certificates=[certificate(name) for name in module.params["certificates"]],
        backups=[backup(job) for job in module.params["backups"]],
        targets=targets(),
    )


if __name__ == "__main__":
    main()

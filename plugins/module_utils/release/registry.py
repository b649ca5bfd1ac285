# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins to registries, as Docker keeps them in ``~/.docker/config.json``."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Docker
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError, explain_registry

# Docker Hub's entry has the address of its first API.
_HUB = "https://index.docker.io/v1/"


def key_of(host: str) -> str:
    """Return under which key Docker keeps a registry's login."""
    return _HUB if host in ("docker.io", "index.docker.io", "registry-1.docker.io") else host


def logged_in(config: Mapping[str, Any], host: str) -> str | None:
    """Return the ``user:password`` that is kept for a registry."""
    entry = (config.get("auths") or {}).get(key_of(host)) or {}
    return base64.b64decode(entry["auth"]).decode() if entry.get("auth") else None


def read_config(path: Path) -> dict[str, Any]:
    """Return Docker's own configuration of a user; raises ReleaseError where it is not JSON."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        raise ReleaseError(f"{path} is not JSON ({error}); repair it or remove it") from error


def log_in(docker: Docker, host: str, username: str, password: str) -> None:
    """Log in; the engine asks the registry. Raises ReleaseError with registry and cause, never with the password."""
    server = [] if key_of(host) == _HUB else [host]
    done = docker.run("login", "--username", username, "--password-stdin", *server, stdin=password)
    if done.returncode:
        cause = explain_registry(host, done.stderr.replace(password, "********"))
        raise ReleaseError(f"the login of {username} to registry {host} failed: {cause}")

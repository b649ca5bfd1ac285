# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manifest beside each backup: what it is, what it must weigh, and what it must bring back."""

from __future__ import annotations

import datetime
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Source
from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import MANIFEST
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BackupError,
    Check,
    Findings,
    overall,
)

FORMAT = 1
# By how many seconds the clocks of a server and of whoever looks may differ.
CLOCKS = 600
# How what is wrong with a set begins that lacks some of its backups.
INCOMPLETE = "incomplete"
REQUIRED = {
    "format": int,
    "set": str,
    "job": str,
    "app": str,
    "engine": str,
    "file": str,
    "size": int,
    "sha256": str,
    "started": str,
    "finished": str,
    "verification": dict,
}

Manifest = dict[str, Any]


def timestamp(moment: float) -> str:
    """A moment in seconds since 1970 as ``2026-11-21T02:00:00Z``."""
    return datetime.datetime.fromtimestamp(int(moment), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> float:
    """The reverse of ``timestamp``. Raises ValueError."""
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()


def set_id(started: float) -> str:
    """The id of a set that was started then: ``20261121-020000``."""
    return datetime.datetime.fromtimestamp(int(started), datetime.timezone.utc).strftime("%Y%m%d-%H%M%S")


def set_moment(text: str) -> float:
    """The reverse of ``set_id``. Raises ValueError."""
    try:
        parsed = datetime.datetime.strptime(text, "%Y%m%d-%H%M%S")
    except ValueError as error:
        raise ValueError(f"'{text}' is not the id of a set (try '20261121-020000')") from error
    return parsed.replace(tzinfo=datetime.timezone.utc).timestamp()


def ahead(key: str, now: float) -> bool:
    """Whether a set is from the future: a clock was wrong, and it must not be taken for the newest."""
    return set_moment(key) > now + CLOCKS


def build(
    *,
    identity: dict[str, Any],
    file: str,
    size: int,
    sha256: str,
    started: float,
    finished: float,
    source: Source,
    findings: Findings,
    checks: Sequence[Check],
    encryption: dict[str, Any] | None = None,
    plain: dict[str, Any] | None = None,
    compression: str = "",
) -> Manifest:
    """Put a manifest together. ``identity`` holds set, pieces (the files of all backups of the set), job, app,
    database, databases and engine, and ``served``, the release that did, where one is known.

    ``file``, ``size`` and ``sha256`` are of the file as it lies there; of an encrypted one ``plain`` has those of what
    it decrypts to, and ``encryption`` what crypt.Sealed says.
    """
    counts = findings.counts if findings.counts is not None else source.counts
    return {
        "format": FORMAT,
        **identity,
        "file": file,
        "size": size,
        "sha256": sha256,
        "plain": plain,
        "encryption": encryption,
        "compression": compression,
        "started": timestamp(started),
        "finished": timestamp(finished),
        "duration": round(finished - started, 3),
        "server_version": source.server_version or findings.server or "",
        "tool_version": source.tool_version,
        "counts": counts or {},
        "volatile": findings.volatile or {},
        **({} if findings.roles is None else {"roles": findings.roles}),
        "same_snapshot": source.same_snapshot,
        "note": source.note,
        "content": {"sha256": findings.content, "tool": findings.tool, "tables": findings.tables}
        if findings.content or findings.tables
        else None,
        "verification": {
            "level": "full",
            "verdict": overall(checks),
            "at": timestamp(finished),
            "checks": [check.as_dict() for check in checks],
        },
    }


def names(manifest: Mapping[str, Any]) -> list[str]:
    """The files of a backup in the order in which they are stored: the manifest last, for it says that all is there."""
    way_out = [str(manifest["way_out"])] if manifest.get("way_out") else []
    return [str(manifest["file"]), *way_out, str(manifest["file"]) + MANIFEST]


def missing(manifests: Iterable[Mapping[str, Any]]) -> list[str]:
    """The backups that a set lacks, of what its ``manifests`` promise. Those from before pieces were recorded promise
    none but their own."""
    manifests = list(manifests)
    promised = {str(name) for item in manifests for name in item.get("pieces") or []}
    return sorted(promised - {str(item.get("file")) for item in manifests})


def incomplete(manifests: Iterable[Mapping[str, Any]], there: Collection[str] = ()) -> str:
    """What a set lacks in words, but for what is ``there`` all the same; empty where it has all its pieces."""
    lost = [name for name in missing(manifests) if name not in there]
    return f"{INCOMPLETE}: {', '.join(lost)} {'is' if len(lost) == 1 else 'are'} not there" if lost else ""


def whole_sets(manifests: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those of the manifests of one job whose sets have all their pieces."""
    manifests = list(manifests)
    sets: dict[str, list[Mapping[str, Any]]] = {}
    for item in manifests:
        sets.setdefault(item["set"], []).append(item)
    return [item for item in manifests if not incomplete(sets[item["set"]])]


def dump(manifest: Manifest) -> str:
    """A manifest as it is written."""
    return json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"


def parse(text: str, name: str = "the manifest") -> Manifest:
    """Read a manifest. Raises BackupError when it is none, is damaged or of a newer kind."""
    try:
        manifest = json.loads(text)
    except ValueError as error:
        raise BackupError(f"{name} is damaged: {error}") from error
    if not isinstance(manifest, dict):
        raise BackupError(f"{name} is not a manifest")
    wrong = [key for key, kind in REQUIRED.items() if not isinstance(manifest.get(key), kind)]
    if wrong:
        raise BackupError(f"{name} is damaged: {', '.join(wrong)} missing or of the wrong kind")
    if manifest["format"] > FORMAT:
        raise BackupError(f"{name} has format {manifest['format']}, this version reads up to {FORMAT}")
    return manifest


def load(path: Path) -> Manifest:
    """Read a manifest from a file. Raises BackupError when there is none or it is damaged."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError as error:
        raise BackupError(f"there is no manifest {path}") from error
    except UnicodeDecodeError as error:
        raise BackupError(f"{path} is damaged: {error}") from error

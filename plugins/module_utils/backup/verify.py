# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Verification in levels: ``quick`` compares with the manifest, ``full`` decodes every byte as well."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ansible_collections.mainstay.platform.plugins.module_utils.backup.change import CHANGE
from ansible_collections.mainstay.platform.plugins.module_utils.backup.crypt import Content
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Engine
from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import sha256_of, size_text
from ansible_collections.mainstay.platform.plugins.module_utils.backup.manifest import Manifest, moment
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BAD,
    NOT_VERIFIED,
    OK,
    Check,
    Findings,
    describe,
    differences,
    overall,
    shorten,
)


@dataclasses.dataclass
class Report:
    """The outcome of a verification."""

    level: str
    checks: list[Check]
    findings: Findings

    @property
    def verdict(self) -> str:
        """``ok``, ``bad`` or ``not_verified``."""
        return overall(self.checks)

    @property
    def reasons(self) -> str:
        """Why the verdict is not ok, in one line."""
        return describe(self.checks, self.verdict)


def verify(
    path: Path,
    engine: Engine,
    level: str,
    manifest: Manifest | None,
    *,
    now: float,
    max_age: float | None = None,
    content: Content | None = None,
    acknowledged: bool = False,
) -> Report:
    """Verify a backup file. ``manifest`` is None when there is none, ``max_age`` in seconds.

    ``content`` is what crypt.opened gives for an encrypted file. Where no key is, only its bytes are verified: that is
    all of ``quick``, and leaves ``full`` not verified. ``acknowledged``: a sudden change that made it bad
    at birth is right.
    """
    content = content or Content(path)
    checks = bytes_checks(path, manifest, acknowledged)
    if max_age is not None:
        checks.append(age_check(manifest, now, max_age))
    checks += content.checks((manifest or {}).get("plain"))
    if content.path is None:
        if level == "full":
            checks.append(Check("content", NOT_VERIFIED, "it is encrypted, and the key is not here"))
        return Report(level, checks, Findings())
    findings = engine.examine(content.path) if level == "full" else engine.look(content.path)
    checks += findings.checks
    if level == "full" and manifest is not None and overall(findings.checks) != BAD:
        checks += content_checks(manifest, findings)
    return Report(level, checks, findings)


def birth_check(manifest: Manifest, acknowledged: bool) -> Check:
    """Whether it was proven when it was made. A sudden change, and nothing else, can be acknowledged later."""
    verification = manifest["verification"]
    verdict = verification.get("verdict")
    if verdict == OK:
        return Check("birth", OK, "proven when it was made")
    if verdict != BAD:
        return Check("birth", NOT_VERIFIED, f"it was not proven when it was made: {verdict}")
    bad = [check for check in verification.get("checks") or [] if check.get("verdict") == BAD]
    if acknowledged and bad and all(check.get("name") == CHANGE for check in bad):
        return Check("birth", OK, f"acknowledged: {describe(bad, BAD)}")
    return Check("birth", BAD, f"it was bad when it was made: {describe(bad, BAD)}")


def bytes_checks(path: Path, manifest: Manifest | None, acknowledged: bool = False) -> list[Check]:
    """Whether the file is, to the byte, the one that the manifest was written for."""
    if manifest is None:
        return [Check("manifest", NOT_VERIFIED, "there is no manifest to compare with")]
    checks = [Check("manifest", OK, f"backup {manifest['set']} of {manifest['job']}")]
    birth = birth_check(manifest, acknowledged)
    if birth.verdict != OK:
        checks.append(birth)
    size = path.stat().st_size
    if size != manifest["size"]:
        reason = f"{size} bytes, {manifest['size']} expected"
        return [*checks, Check("size", BAD, reason), Check("sha256", NOT_VERIFIED, "the size is wrong already")]
    checks.append(Check("size", OK, size_text(size)))
    digest = sha256_of(path)[1]
    if digest != manifest["sha256"]:
        return [*checks, Check("sha256", BAD, f"{digest}, {manifest['sha256']} expected: the bytes have changed")]
    return [*checks, Check("sha256", OK, digest)]


def age_check(manifest: Manifest | None, now: float, max_age: float) -> Check:
    """Whether the backup is young enough. A date in the future is no age."""
    if manifest is None:
        return Check("age", NOT_VERIFIED, "only the manifest knows")
    try:
        age = now - moment(manifest["started"])
    except ValueError:
        return Check("age", BAD, f"'{manifest['started']}' is no moment")
    if age < -300:
        return Check("age", BAD, f"made {-age:.0f} s in the future: a clock is wrong")
    return Check("age", OK if age <= max_age else BAD, f"{age:.0f} s old, {max_age:.0f} s allowed")


def content_checks(manifest: Manifest, findings: Findings) -> list[Check]:
    """Whether what was decoded is what the manifest promises."""
    checks = []
    if findings.counts is None:
        checks.append(Check("counts", NOT_VERIFIED, "nothing could be counted"))
    else:
        checks.append(counts_check(manifest.get("counts") or {}, findings.counts))
    promised = manifest.get("content")
    if promised and findings.content:
        if promised["tool"] != findings.tool:
            reason = f"made with {promised['tool']}, decoded with {findings.tool}: not comparable"
            checks.append(Check("content", NOT_VERIFIED, reason, required=False))
        elif promised["sha256"] == findings.content:
            checks.append(Check("content", OK, "decodes to what it did when it was made"))
        else:
            checks.append(Check("content", BAD, "does not decode to what it did when it was made"))
    return checks


def counts_check(expected: dict[str, int], found: dict[str, int]) -> Check:
    """Whether the counts are exactly those expected."""
    wrong = differences(expected, found)
    if wrong:
        return Check("counts", BAD, shorten(wrong))
    return Check("counts", OK, f"{sum(found.values())} in {len(found)}, as expected")

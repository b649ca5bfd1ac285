# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One drill of one app: its databases, their backups, the comparison with the manifests, the release on all that."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup import files, packing
from ansible_collections.mainstay.platform.plugins.module_utils.backup import manifest as manifests
from ansible_collections.mainstay.platform.plugins.module_utils.backup.create import Job
from ansible_collections.mainstay.platform.plugins.module_utils.backup.crypt import opened
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engine import Engine, Target
from ansible_collections.mainstay.platform.plugins.module_utils.backup.engines import ENGINES
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place, ToolError
from ansible_collections.mainstay.platform.plugins.module_utils.backup.restore import plan, restore
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import (
    BAD,
    NOT_VERIFIED,
    OK,
    BackupError,
    Check,
    Findings,
    differences,
    overall,
    shorten,
)
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verify import verify
from ansible_collections.mainstay.platform.plugins.module_utils.drill import versions
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Docker, Project
from ansible_collections.mainstay.platform.plugins.module_utils.release.gate import Check as Question
from ansible_collections.mainstay.platform.plugins.module_utils.release.gate import Gate
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import (
    RefusedError,
    ReleaseError,
    excerpt,
    explain_registry,
    registry_of,
)
from ansible_collections.mainstay.platform.plugins.module_utils.release.registry import key_of

LABEL = "com.docker.compose.project"
FILES = "files"
# Prints how many entries are there then. Sockets are in no archive.
UNPACK = 'command -v tar >/dev/null || exit 127; tar -x -p -f - -C / "$1" && find "$2" ! -type s | wc -l'
ADDRESS = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"


@dataclasses.dataclass(frozen=True)
class Options:
    """Seconds that one tool, a migration may take; logins to registries: ``{host, username, password}`` each."""

    timeout: float = 14400
    migration_timeout: float = 600
    registries: Sequence[Mapping[str, str]] = ()


@dataclasses.dataclass
class Outcome:
    """What a drill has shown. ``seconds`` of each step; ``reason`` is empty when all is well."""

    checks: list[Check] = dataclasses.field(default_factory=list)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    sets: dict[str, str] = dataclasses.field(default_factory=dict)
    reason: str = ""

    @property
    def verdict(self) -> str:
        """Whether the app came back: ``ok`` or ``bad``, or ``not_verified`` where it was not asked."""
        return BAD if self.reason else overall(self.checks)

    def as_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "verdict": self.verdict,
            "reason": self.reason,
            "checks": [check.as_dict() for check in self.checks],
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "sets": self.sets,
        }


def compared(job: str, promised: Mapping[str, Any], live: Mapping[str, int], again: Findings) -> list[Check]:
    """What was brought back against the manifest: counts as the server has them, and contents as a second dump of it
    decodes to, table by table, where the manifest knows them."""
    expected = promised.get("counts") or {}
    wrong = differences(expected, live, promised.get("volatile"))
    counts = Check(f"{job}: counts", BAD, shorten(wrong)) if wrong else None
    checks = [counts or Check(f"{job}: counts", OK, f"{sum(live.values())} in {len(live)}, as promised")]
    name = f"{job}: contents"
    tables = (promised.get("content") or {}).get("tables")
    if not tables:
        return [*checks, Check(name, NOT_VERIFIED, "the manifest has no digests of them", required=False)]
    if again.tables is None:
        reason = "; ".join(check.reason for check in again.checks if check.verdict != OK) or "a second dump has none"
        return [*checks, Check(name, NOT_VERIFIED, reason, required=False)]
    if promised["content"]["tool"] != again.tool:
        reason = f"made with {promised['content']['tool']}, here is {again.tool}: not comparable"
        return [*checks, Check(name, NOT_VERIFIED, reason, required=False)]
    other = [table for table, digest in tables.items() if again.tables.get(table) != digest]
    if other:
        return [*checks, Check(name, BAD, f"not what was backed up: {shorten(sorted(other))}")]
    return [*checks, Check(name, OK, f"the same in all {len(tables)} tables")]


def _roots(counts: Mapping[str, int]) -> dict[str, int]:
    """The paths that were packed, and how many entries each has: counts of files are named ``PATH files``."""
    pairs = ((key.rpartition(" "), count) for key, count in counts.items())
    return {path: count for (path, _space, kind), count in pairs if kind == FILES}


class Rehearsal:
    """A drill. ``project`` as the filter drill_projects gives it, ``folder`` is a directory of its own, which goes."""

    def __init__(
        self, project: Mapping[str, Any], folder: Path, docker: Docker, options: Options, secrets: Sequence[str] = ()
    ) -> None:
        self._app = str(project["app"])
        self._wanted = project
        self._folder = folder
        self._docker = docker
        self._options = options
        self._secrets = secrets
        self._gate = Gate(docker, secrets)
        self._project = Project(str(project["project"]), str(folder / "project"), ("compose.yml",))
        self.outcome = Outcome()

    def run(self, content: Sequence[Mapping[str, Any]], jobs: Sequence[Mapping[str, Any]]) -> Outcome:
        """Carry it out. ``content`` are the project's files, ``jobs`` backup jobs, each with the ``paths`` of its
        backups and their ``keys``. Whatever happens, nothing of it is left; what went wrong is in the outcome."""
        if self._docker.run("compose", "version").returncode:
            self.outcome.reason = "there is no Docker Compose here (its plugin, version 2); name another drill_host"
            return self.outcome
        try:
            with self._step("clean before"):
                self.clean()
            try:
                self._all(content, jobs)
            finally:
                with self._step("clean"):
                    self.clean()
                    shutil.rmtree(self._folder, ignore_errors=True)
        except RefusedError as error:
            log = "".join(f"\n  {line}" for line in error.log)
            self.outcome.reason = f"{error.reason}{f'. Last lines of {error.source}:{log}' if log else ''}"
        except (BackupError, ReleaseError, OSError) as error:
            self.outcome.reason = str(error)
        return self.outcome

    def clean(self) -> None:
        """Remove containers, volumes and the network, of this drill or of one that was killed."""
        self._docker.must(
            "compose", "--ansi", "never", "--project-name", self._project.name, "down", "--volumes", "--remove-orphans",
            "--timeout", "5",
        )  # fmt: skip
        volumes = self._docker.must(
            "volume", "ls", "--quiet", "--filter", f"label={LABEL}={self._project.name}"
        ).split()
        if volumes:
            self._docker.must("volume", "rm", *volumes)

    def _all(self, content: Sequence[Mapping[str, Any]], jobs: Sequence[Mapping[str, Any]]) -> None:
        self._write(content)
        with self._step("images"):
            for image in dict.fromkeys(self._wanted["images"].values()):
                self._pull(image)
        names = [item["service"] for item in self._wanted["databases"]]
        with self._step("databases"):
            self._docker.up(self._project, names)
            waits = [
                Question(item["service"], interval=0.5, timeout=item["timeout"]) for item in self._wanted["databases"]
            ]
            self._gate.wait(self._project.name, waits)
        engines = []
        with self._step("restore"):
            for job in jobs:
                found = [manifests.load(files.manifest_of(Path(name))) for name in job["paths"]]
                if lost := manifests.incomplete(found):
                    raise BackupError(f"{job['name']}: set {found[0]['set']} is {lost}")
                if job["database"] in self._wanted["elsewhere"]:
                    reason = "not restored: it is managed elsewhere, and nothing of it is here"
                    self.outcome.checks.append(Check(f"{job['name']}: restored", NOT_VERIFIED, reason))
                elif job["engine"] == FILES:
                    self._fill(job)
                else:
                    engines += self._bring_back(job)
        with self._step("compare"):
            for job, database, manifest in engines:
                self._compare(job, database, manifest)
        if bad := [f"{check.name}: {check.reason}" for check in self.outcome.checks if check.verdict == BAD]:
            raise BackupError("; ".join(bad))
        if self._wanted["unstarted"]:
            reason = f"the app was not started: {self._wanted['unstarted']}"
            self.outcome.checks.append(Check("release", NOT_VERIFIED, reason))
            return
        with self._step("release"):
            self._release()

    @contextlib.contextmanager
    def _step(self, name: str) -> Iterator[None]:
        begin = time.monotonic()
        try:
            yield
        finally:
            self.outcome.seconds[name] = time.monotonic() - begin

    def _write(self, content: Sequence[Mapping[str, Any]]) -> None:
        root = Path(self._project.folder)
        for item in content:
            path = root / item["dest"]
            files.private_directory(path.parent)
            files.write_atomic(path, item["content"], int(item["mode"], 8))

    def _pull(self, image: str) -> None:
        if self._docker.has(image):
            return
        login = next((item for item in self._options.registries if item["host"] == registry_of(image)), None)
        words: tuple[str, ...] = ("pull", "--quiet", image)
        if login:
            config = self._folder / "docker"
            files.private_directory(config)
            token = base64.b64encode(f"{login['username']}:{login['password']}".encode()).decode()
            files.write_atomic(config / "config.json", json.dumps({"auths": {key_of(login["host"]): {"auth": token}}}))
            words = ("--config", str(config), *words)
        done = self._docker.run(*words)
        if done.returncode:
            raise ReleaseError(f"image {image} cannot be pulled: {explain_registry(registry_of(image), done.stderr)}")

    def _connect(self, job: Mapping[str, Any]) -> Callable[[str], Engine]:
        place = Place(f"{self._project.name}-{job['database']}-1")

        def connect(database: str) -> Engine:
            user, password = job.get("user") or "", job.get("password") or ""
            return ENGINES[job["engine"]](Target(place, user, password, database, timeout=self._options.timeout))

        return connect

    def _bring_back(self, job: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], str, manifests.Manifest]]:
        """Restore what was fetched of one job. Returns (job, database, manifest) of each backup."""
        kind, connect, done = ENGINES[job["engine"]], self._connect(job), []
        for name, key in zip(job["paths"], job["keys"], strict=True):
            path = Path(name)
            manifest = manifests.load(files.manifest_of(path))
            database = "" if kind.whole_server else next(iter(manifest.get("databases") or job["databases"]), "")
            self.outcome.sets[job["name"]] = manifest["set"]
            found_here = versions.check(
                job["name"], job["engine"], str(manifest.get("server_version") or ""), connect(database).version()
            )
            self.outcome.checks.append(found_here)
            if found_here.verdict == BAD:
                raise BackupError(f"{found_here.name}: {found_here.reason}")
            described = Job(
                job["name"], self._app, job["database"], job["engine"], (database,), self._folder, "drill", self._folder
            )
            with opened(path, key) as found:
                agreed = plan(
                    path, described, connect(database), manifest, level="quick", force=False, safety=False,
                    where=f"container {self._project.name}-{job['database']}-1", content=found,
                )  # fmt: skip
                restored = restore(found.path or path, described, kind, connect, database, manifest, agreed)
            reason = "; ".join([f"set {manifest['set']}, {path.name}", *restored.notes])
            self.outcome.checks.append(Check(f"{job['name']}: restored", OK, reason))
            done.append((job, database, manifest))
        return done

    def _fill(self, job: Mapping[str, Any]) -> None:
        """Verify packed files to the last byte, and unpack them into the volume that the app's services will have."""
        for name, key in zip(job["paths"], job["keys"], strict=True):
            path = Path(name)
            manifest = manifests.load(files.manifest_of(path))
            self.outcome.sets[job["name"]] = manifest["set"]
            engine = ENGINES[FILES](Target(Place(), timeout=self._options.timeout))
            with opened(path, key) as found:
                report = verify(path, engine, "full", manifest, now=time.time(), content=found)
                if report.verdict != OK:
                    raise BackupError(f"{job['name']}: {path.name} is not good: {report.reasons}")
                reason = f"set {manifest['set']}, every byte decoded"
                self.outcome.checks.append(Check(f"{job['name']}: files", OK, reason))
                for root, entries in _roots(report.findings.counts or {}).items():
                    check = self._unpack(job, found.path or path, root, entries)
                    self.outcome.checks.append(check)

    def _unpack(self, job: Mapping[str, Any], path: Path, root: str, entries: int) -> Check:
        """Unpack a volume inside a container, for its files belong to the users of other containers."""
        services = [item["service"] for item in self._wanted["health"]] + list(self._wanted["migrations"])
        volume = f"{self._project.name}_volume-{job['database']}"
        if services:
            done = self._docker.compose(self._project, "create", "--no-build", "--pull", "never", *services)
            if done.returncode:
                raise ReleaseError(f"volumes cannot be made: {'; '.join(excerpt(done.stderr, self._secrets, lines=3))}")
        else:
            self._docker.must("volume", "create", "--label", f"{LABEL}={self._project.name}", volume)
        image = self._wanted["images"][self._wanted["databases"][0]["service"]]
        command = ["docker", "run", "--rm", "--interactive", "--network=none", "--user=0:0", "--entrypoint=",
                   f"--volume={volume}:{root}", image, "sh", "-c", UNPACK, "sh", root.strip("/"), root]  # fmt: skip
        name = f"{job['name']}: restored"
        try:
            with (
                packing.unpacked(path, self._options.timeout) as stream,
                Place().running(command, source=stream, timeout=self._options.timeout, called="tar") as tool,
            ):
                there = int(tool.stdout.read() or -1)
        except ToolError as error:
            if not error.missing:
                raise
            reason = f"not unpacked, for {image} has no tar: the app runs on an empty volume here"
            return Check(name, NOT_VERIFIED, reason, required=False)
        if there != entries:
            return Check(name, BAD, f"{there} entries in {root}, {entries} are promised")
        return Check(name, OK, f"{entries} entries in {root}, as promised")

    def _compare(self, job: Mapping[str, Any], database: str, manifest: manifests.Manifest) -> None:
        engine = self._connect(job)(database)
        again = Findings()
        if (manifest.get("content") or {}).get("tables"):
            files.check_room(self._folder, manifest["size"], "a second dump, to compare contents")
            with files.partial(self._folder, "again", nameless=True) as dump:
                engine.dump(dump.write)
                again = engine.examine(dump.path)
        self.outcome.checks += compared(job["name"], manifest, engine.counts(), again)

    def _release(self) -> None:
        for service in self._wanted["migrations"]:
            self._migrate(service)
        names = [item["service"] for item in self._wanted["health"]]
        self._docker.up(self._project, names)
        begin = time.monotonic()
        self._gate.wait(self._project.name, [self._question(item) for item in self._wanted["health"]])
        asked = [f"{item['service']}{item['path']}" for item in self._wanted["health"] if item["port"] and item["path"]]
        reason = f"{self._wanted['release']} is well on the restored data after {time.monotonic() - begin:.0f} s"
        self.outcome.checks.append(Check("release", OK, f"{reason} ({', '.join(asked) or 'it stays up'})"))

    def _question(self, item: Mapping[str, Any]) -> Question:
        name = f"{self._project.name}-{item['service']}-1"
        address = self._docker.must("inspect", "--format", ADDRESS, name).strip() if item["port"] else ""
        return Question(
            item["service"],
            item["port"],
            item["path"],
            item["host"],
            min(1, item["interval"]),
            item["timeout"],
            address,
        )

    def _migrate(self, service: str) -> None:
        words = ("--progress", "quiet", "run", "--rm", "--no-deps", "-T", service)
        what = f"{service} (run: before_release)"
        try:
            done = self._docker.compose(self._project, *words, timeout=self._options.migration_timeout)
        except subprocess.TimeoutExpired:
            raise RefusedError(f"{what} did not end in {self._options.migration_timeout:g} s", what) from None
        if done.returncode:
            log = excerpt(done.stdout + done.stderr, self._secrets)
            raise RefusedError(f"{what} ended with exit code {done.returncode}", what, log)


def writes_these(jobs: Sequence[Mapping[str, Any]], state: Path) -> list[str]:
    """The jobs that this very machine makes: what it can write, it can also spoil, so it is no judge of them."""
    return [job["name"] for job in jobs if (state / f"{job['name']}.json").exists()]

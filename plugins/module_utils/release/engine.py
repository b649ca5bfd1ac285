# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of steps of a release. Whatever fails before the end leaves what served serving.

start    pull, databases, migrations, candidate in the other slot, health gate
(the role nginx gives the candidate the traffic)
finish   watch it, remember it, stop what served before, prune
undo     in place of finish: remove the candidate, bring back what was stopped for it
rotate   another value for a secret, in what serves; ``start`` does it too where the inventory has another password
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import write_atomic
from ansible_collections.mainstay.platform.plugins.module_utils.release import state as states
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Docker, Project
from ansible_collections.mainstay.platform.plugins.module_utils.release.gate import Check, Gate
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import (
    RefusedError,
    ReleaseError,
    excerpt,
    refusal,
)
from ansible_collections.mainstay.platform.plugins.module_utils.release.plan import (
    Order,
    Plan,
    leftovers,
    other,
    plan,
    projects,
)
from ansible_collections.mainstay.platform.plugins.module_utils.release.rotation import (
    JOURNAL,
    Rotation,
    Serving,
    Todo,
)
from ansible_collections.mainstay.platform.plugins.module_utils.release.runner import Runner
from ansible_collections.mainstay.platform.plugins.module_utils.release.secrets import (
    lines,
    renewed,
    values,
    with_password_of,
)
from ansible_collections.mainstay.platform.plugins.module_utils.release.source import Source
from ansible_collections.mainstay.platform.plugins.module_utils.release.state import Release, State
from ansible_collections.mainstay.platform.plugins.module_utils.release.units import Units

SLOTS = ("blue", "green")
ORDER_FILE = "release.json"
PINNED_FILE = "images.yml"
# In a release that is no images: its files.
TREE = "tree"
KEY_FILE = "deploy_key"
_NEXT = "fix the release and run the play again, or name a release that works"


@dataclass(frozen=True)
class Options:
    """Seconds to watch a release that has the traffic and for a migration; how many releases to keep; ignore marks."""

    watch: float = 5
    migration_timeout: float = 600
    keep: int = 5
    force: bool = False


@dataclass(frozen=True)
class Places:
    """Where things are. ``wanted`` is what the inventory says; releases and the databases' project are copies of it."""

    srv: Path = Path("/srv")
    state: Path = states.FOLDER
    data: Path = Path("/opt/app-data")

    def wanted(self, app: str, part: str) -> Path:
        """Return the folder that the inventory's ``release`` or ``data`` is written to."""
        return self.srv / app / "wanted" / part

    def release(self, app: str, identity: str) -> Path:
        """Return the folder of a release."""
        return self.srv / app / "releases" / identity

    def databases(self, app: str) -> Path:
        """Return the folder of the databases' project."""
        return self.srv / app / "data"


@dataclass
class Started:
    """What ``start`` has done. With ``candidate`` a release waits for the traffic and for ``finish``."""

    changed: bool = False
    candidate: bool = False
    slot: str | None = None
    before: str | None = None
    text: list[str] = field(default_factory=list)


class Engine:
    """Carries out steps for one app."""

    def __init__(
        self,
        app: str,
        docker: Docker,
        options: Options,
        places: Places | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self.app, self.docker, self.options, self.places, self._now = app, docker, options, places or Places(), now
        self.units = Units(self.places.srv)
        self.services = Runner(docker, self.units)
        self.state: State = states.read(app, self.places.state)

    # -- what there is to do -------------------------------------------------------------------------------------

    def plan(self, order: Order) -> Plan:
        """Return what there is to do for an order of the inventory. Raises ReleaseError where it cannot be done."""
        self.check(order)
        running = self.services.containers(*projects(self.app))
        rotation = self._rotation(order, self._wanted())
        todo = rotation.plan(rotation.overdue, running, ask=False)
        overdue = todo.pending or bool(rotation.journal)
        result = plan(order, self._rotated(order, todo, "") if overdue else self.state, running, self.options.force)
        if overdue:
            result.secrets = todo.text or ["end what a run that was cut off has begun"]
        result.litter = [str(path) for path in self._litter()]
        result.text = [
            *(f"secrets: {what}" for what in result.secrets),
            *result.text,
            *(f"remove {path}, which a run that was cut off has left behind" for path in result.litter),
        ]
        return result

    def rollback_order(self, target: Release) -> Order:
        """Return the order that an earlier release was started with. Raises ReleaseError."""
        path = self.places.release(self.app, target["id"]) / ORDER_FILE
        try:
            return dict(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise ReleaseError(
                f"{self.app}: {target['id']} cannot be brought back: {path} cannot be read ({error})"
            ) from error

    def _plan_back(self) -> Plan:
        running = self.services.containers(*projects(self.app))
        tidy = leftovers(self.app, self.state, running)
        return Plan(self.app, release=True, slot=other(self.state["serving"]["slot"]), tidy=tidy)

    def check(self, order: Order) -> None:
        """Refuse an order that cannot follow what serves, before anything is written. Raises ReleaseError."""
        serving = self.state["serving"]
        if not serving:
            return
        wanted, runs = order.get("runtime", "compose"), self.rollback_order(serving).get("runtime", "compose")
        if wanted != runs:
            raise ReleaseError(
                f"{self.app}: {serving['id']} serves with runtime: {runs}, the inventory says {wanted}. An app keeps "
                "its runtime, for its files belong to another user with each: give the new one another name and bring "
                "the data over (playbooks/restore.yml), then remove this one"
            )

    # -- steps ---------------------------------------------------------------------------------------------------

    def start(self, order: Order, rollback: bool = False) -> Started:
        """Do everything up to the point where the candidate may have the traffic. Raises ReleaseError."""
        with self._lock():
            self._mend()
            serving = self.state["serving"]
            todo = self._plan_back() if rollback else self.plan(order)
            done = Started(changed=todo.pending, slot=todo.slot, before=serving and serving["slot"], text=todo.text)
            built = self._fetch(order, todo, rollback)
            for project in todo.tidy:
                self.services.down(project)
            if self.state["candidate"]:
                self._save({**self.state, "candidate": None})
            self._sweep(built, order["images"].values())
            if todo.data:
                self._databases(order)
            if todo.secrets:
                self._rotate(order)
            if todo.repair:
                self._repair()
            if todo.release:
                self._candidate(order, str(todo.slot), rollback, built)
                done.candidate = True
            return done

    def databases(self, order: Order) -> list[str]:
        """Run the databases, and no release: they are to be filled first. Returns why. Raises ReleaseError."""
        with self._lock():
            self._mend()
            found = self.plan(order)
            todo = Plan(self.app, data=found.data)
            self._fetch(order, todo, rollback=False)
            if todo.data:
                self._databases(order)
            if found.secrets:
                self._rotate(order)
            return todo.data + found.secrets

    def rotate(self, order: Order, wanted: Mapping[str, str], name: str, dry: bool = False) -> Todo:
        """Give a secret the value that the inventory has for it, everywhere. Returns what that took, or would take.

        ``wanted`` are the files with secrets that the inventory wants, by path. Raises ReleaseError.
        """
        with self._lock(create=not dry):
            if self.state["candidate"]:
                raise ReleaseError(
                    f"{self.app}: a release was cut off on this server. Run playbooks/deploy.yml, which cleans up "
                    "after it, and then this again"
                )
            if not dry:
                self._mend()
                self._sweep()
            asks = bool(self.docker.program)
            running = self.services.containers(*projects(self.app))
            rotation = self._rotation(order, wanted)
            todo = rotation.plan(rotation.scope(name), running, ask=asks)
            if not dry:
                rotation.run(todo)
                self._save(self._rotated(order, todo, todo.scope.text if todo.pending else ""))
            return todo

    def well(self) -> None:
        """Return when what serves, if anything does, is well by its own health checks. Raises ReleaseError."""
        if serving := self.state["serving"]:
            self._well(self._restarts(self._slot(serving).name))

    def finish(self) -> list[str]:
        """Watch the candidate, which has the traffic now, then retire what served before. Raises ReleaseError.

        Once the candidate serves nothing is an error any more; what could not be removed is returned, and the next
        run removes it.
        """
        with self._lock():
            candidate, before = self._switched(), self.state["serving"]
            release = candidate["release"]
            order = self.rollback_order(release)
            try:
                self._gate(order).watch(
                    self._slot(release).name, self._checks(order, release["slot"]), self.options.watch
                )
            except RefusedError as refused:
                self._save({**self.state, "candidate": {**candidate, "reason": refused.reason}})
                raise ReleaseError(self._message(release, refused, _NEXT)) from refused
            self._save(states.served(self.state, self._stamp(), self.options.keep))
            left = []
            try:
                if before:
                    self.services.down(f"{self.app}-{before['slot']}")
                if not candidate["rollback"]:
                    self._save(states.aligned(self.state, self._align(release)))
                self._prune()
            except (ReleaseError, OSError) as error:
                left.append(f"{self.app}: {release['id']} serves, but what served before could not be removed: {error}")
            return left

    def undo(self, reason: str) -> None:
        """Remove the candidate and bring back what was stopped for it."""
        with self._lock():
            candidate = self._switched()
            self._back(candidate["release"], candidate.get("reason", reason))

    def absent(self, purge: bool, dry: bool) -> list[str]:
        """Remove everything but data, or that too with ``purge``; returns what was, or would be, removed."""
        with self._lock(create=not dry):
            removed = []
            running = self.services.containers(*projects(self.app))
            for project in dict.fromkeys(container.project for container in running):
                removed.append(f"project {project}")
                if not dry:
                    self.services.down(project)
            network = f"{self.app}-data"
            if self.docker.program and self.docker.run("network", "inspect", network).returncode == 0:
                removed.append(f"network {network}")
                if not dry:
                    self.docker.must("network", "rm", network)
            releases = self.places.srv / self.app / "releases"
            images = {image for path in releases.glob("*") for image in self._images(path.name)}
            folders = [self.places.srv / self.app, *([self.places.data / self.app] if purge else [])]
            for folder in filter(Path.exists, folders):
                removed.append(str(folder))
                if not dry:
                    shutil.rmtree(folder)
            # Its number stays taken for as long as files belong to it.
            if purge and (user := Source.user(self.app)):
                removed.append(f"user {user}")
                if not dry:
                    Source.remove_user(self.app)
            record = self.places.state / f"{self.app}.json"
            if record.exists():
                removed.append(str(record))
                if not dry:
                    record.unlink()
            if not dry:
                self._remove_images(images)
        if not dry:
            (self.places.state / f".{self.app}.lock").unlink(missing_ok=True)
        return removed

    # -- parts of start ------------------------------------------------------------------------------------------

    def _fetch(self, order: Order, todo: Plan, rollback: bool) -> str | None:
        """Have every image and build here before anything is touched. Only those of a new release are asked for anew.

        Returns the name of the release's build where it has one.
        """
        wanted: dict[str, bool] = {}
        built = None
        if todo.data:
            wanted |= dict.fromkeys(order["data"]["images"].values(), False)
        try:
            if todo.repair and not self._rebuilt(self.rollback_order(self.state["serving"])):
                wanted |= dict.fromkeys(self.state["serving"]["images"].values(), False)
            if todo.release and rollback and not (built := self._rebuilt(order)):
                wanted |= dict.fromkeys(self._pinned(order["id"]).values(), False)
            if todo.release and not rollback:
                source = self._source(order)
                built = source.have(order["release"]) if source else None
                if source and built:
                    self._open_static(source, order, built)
                wanted |= {} if source else dict.fromkeys(order["images"].values(), True)
            for image, anew in wanted.items():
                if anew or not self.docker.has(image):
                    self.docker.pull(image)
        except RefusedError as refused:
            raise ReleaseError(self._message(order, refused, _NEXT)) from refused
        except ReleaseError as error:
            serving = self.state["serving"]
            rest = f"{serving['id']} serves as before" if serving else "nothing has been started"
            told = str(error).removeprefix(f"{self.app}: ")
            raise ReleaseError(f"{self.app}: {told}. Nothing was changed; {rest}.") from error
        return built

    @staticmethod
    def _open_static(source: Source, order: Order, built: str) -> None:
        for upstream in order["upstreams"]:
            if roots := upstream.get("roots"):
                inside = roots[SLOTS[0]].partition(f"/slots/{SLOTS[0]}/{TREE}")[2].strip("/")
                source.open_to_nginx(built, inside or ".", upstream.get("fallback"))

    def _source(self, order: Order) -> Source | None:
        """Return where a release comes from that is no images."""
        found = order.get("source")
        return Source(self.app, found, self.places.srv / self.app, self.units) if found else None

    def _rebuilt(self, order: Order) -> str | None:
        """Make sure of the build of a release that has served, and return its name; None where it is images.

        After a recovery it is not here: a backup of the server holds what releases were, not what they were made of.
        """
        tree = self.places.release(self.app, order["id"]) / TREE
        source = self._source(order)
        if source is None:
            return None
        name = tree.readlink().name
        source.prepare()
        if tree.is_dir():
            return name
        made = source.have(order["release"])
        # How it is built may have changed since, with the system; what is built may not.
        if made.rpartition("-")[0] != name.rpartition("-")[0]:
            raise ReleaseError(
                f"{order['id']} was built as {name}, which is gone, and is {made} today: release it as a new one"
            )
        self._open_static(source, order, made)
        tree.unlink()
        tree.symlink_to(f"../../builds/{made}")
        return made

    def _databases(self, order: Order) -> None:
        for network in order["networks"]:
            self.docker.network(network["name"], network["internal"])
        data, folder = order["data"], self.places.databases(self.app)
        before = folder.with_name("data.before")
        shutil.rmtree(before, ignore_errors=True)
        if folder.exists():
            _copy(folder, before)
        _copy(self.places.wanted(self.app, "data"), folder, self._passwords_kept(folder))
        try:
            self._databases_up(data["project"], folder, order)
        except ReleaseError as error:
            if not before.exists() or not self.state["data"]:
                raise ReleaseError(self._database_message(error, "no release was started")) from error
            _copy(before, folder)
            self.docker.up(Project(data["project"], str(folder), ("compose.yml",)))
            raise ReleaseError(self._database_message(error, "the databases are back to what they were")) from error
        finally:
            shutil.rmtree(before, ignore_errors=True)
        self._save({**self.state, "data": {"id": data["id"], "images": data["images"]}})

    def _passwords_kept(self, folder: Path) -> dict[str, str]:
        """Return the files of passwords as databases know them: only a rotation tells a database another one."""
        kept = {}
        for path in self.places.wanted(self.app, "data").glob("secrets/*"):
            old = folder / "secrets" / path.name
            if old.is_file():
                text = old.read_text(encoding="utf-8")
                if path.suffix == ".conf":
                    text = with_password_of(path.read_text(encoding="utf-8"), text)
                kept[f"secrets/{path.name}"] = text
        return kept

    def _databases_up(self, project: str, folder: Path, order: Order) -> None:
        restarts = self._restarts(project)
        self.docker.up(Project(project, str(folder), ("compose.yml",)))
        checks = [Check(item["service"], interval=1, timeout=item["timeout"]) for item in order["data"]["health"]]
        self._gate(order).wait(project, checks, restarts)

    def _database_message(self, error: ReleaseError, state: str) -> str:
        log = (
            [f"Last lines of {error.source}:", *(f"  {line}" for line in error.log)]
            if isinstance(error, RefusedError)
            else []
        )
        return "\n".join([f"{self.app}: the databases did not become well; {state}.", f"Reason: {error}", *log])

    def _repair(self) -> None:
        serving = self.state["serving"]
        project = self._slot(serving)
        restarts = self._restarts(project.name)
        self.services.up(project)
        self._well(restarts)

    def _restarts(self, project: str) -> dict[str, int]:
        return {container.service: container.restarts for container in self.services.containers(project)}

    def _well(self, restarts: Mapping[str, int]) -> None:
        serving = self.state["serving"]
        order, project = self.rollback_order(serving), self._slot(serving)
        try:
            self._gate(order).wait(project.name, self._checks(order, serving["slot"]), restarts)
        except RefusedError as refused:
            message = refusal(self.app, serving["id"], None, refused, "look at the log, or release another version")
            raise ReleaseError(
                message.replace("was refused; nothing serves yet", "serves, but is not well")
            ) from refused

    def _candidate(self, order: Order, slot: str, rollback: bool, built: str | None) -> None:
        folder = self.places.release(self.app, order["id"])
        if not rollback:
            _copy(self.places.wanted(self.app, "release"), folder)
            _write(folder / ORDER_FILE, {key: value for key, value in order.items() if key != "data"})
            pinned = {
                service: {"image": built or self.docker.pinned(image)} for service, image in order["images"].items()
            }
            _write(folder / PINNED_FILE, {"services": pinned})
            # Fetching has read the inventory's.
            (folder / "source" / KEY_FILE).unlink(missing_ok=True)
            if built:
                (folder / TREE).symlink_to(f"../../builds/{built}")
                # nginx, which serves static files, passes through.
                for path in (folder, folder.parent):
                    path.chmod(0o711)
        services = [item["service"] for item in order["health"]]
        images = {service: image for service, image in self._pinned(order["id"]).items() if service in services}
        release: Release = {"id": order["id"], "release": order["release"], "slot": slot, "images": images}
        kept: Release = next((item for item in self.state["released"] if item["id"] == order["id"]), {})
        if rollback and "rotated" in kept:
            release["rotated"] = kept["rotated"]
        self._save(states.started(self.state, release, rollback))
        try:
            self._run_candidate(order, release, [] if rollback else order["migrations"])
        except ReleaseError as error:
            refused = error if isinstance(error, RefusedError) else RefusedError(str(error))
            message = self._message(release, refused, f"{_NEXT}; nothing needs to be cleaned up")
            self._back(release, refused.reason)
            raise ReleaseError(message) from error
        except BaseException as error:
            self._back(release, str(error) or type(error).__name__)
            raise
        self._save(states.switching(self.state))

    def _run_candidate(self, order: Order, release: Release, migrations: Sequence[str]) -> None:
        project, gate = self._slot(release), self._gate(order)
        checks = self._checks(order, release["slot"])
        if order["strategy"] == "recreate":
            self._stop_serving(None)
        for service in migrations:
            self._migrate(project, service, order)
        first = [check for check in checks if check.service not in order["singletons"]]
        if first or not order["singletons"]:
            self.services.up(project, [check.service for check in first])
            gate.wait(project.name, first)
        if order["singletons"]:
            self._stop_serving({*order["singletons"], *self._serving_singletons()})
            self.services.up(project)
            gate.wait(project.name, checks)

    def _migrate(self, project: Project, service: str, order: Order) -> None:
        what = f"{service} (run: before_release)"
        code, log = self.services.once(project, service, self.options.migration_timeout)
        if code == 0:
            return
        how = (
            f"did not end in {self.options.migration_timeout:g} s and was stopped"
            if code is None
            else f"ended with exit code {code}"
        )
        raise RefusedError(f"{what} {how}", what, excerpt(log, self._secrets(order)))

    # -- secrets -------------------------------------------------------------------------------------------------

    def _rotation(self, order: Order, wanted: Mapping[str, str]) -> Rotation:
        state, serving = self.state["serving"], None
        if state:
            own = self.rollback_order(state)
            serving = Serving(f"releases/{state['id']}", self._slot(state), self._checks(own, state["slot"]))
        databases = (order.get("data") or {}).get("access", {})
        folder = self.places.srv / self.app
        return Rotation(
            self.app, folder, self.docker, self.services, wanted, databases, serving, watch=self.options.watch
        )

    def _rotate(self, order: Order) -> None:
        """Tell databases the passwords that the inventory has changed; whatever else has changed comes by a release."""
        rotation = self._rotation(order, self._wanted())
        todo = rotation.plan(rotation.overdue, self.services.containers(*projects(self.app)), ask=False)
        rotation.run(todo)
        self._save(self._rotated(order, todo, todo.scope.text))

    def _wanted(self) -> dict[str, str]:
        """Return the files with secrets that the inventory wants, by path."""
        folder = self.places.wanted(self.app, "release").parent
        paths = [*folder.glob("release/env/*.env"), *folder.glob("data/secrets/*")]
        return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in sorted(paths)}

    def _rotated(self, order: Order, todo: Todo, what: str) -> State:
        """Return the state after a rotation. Where nothing else has changed, the inventory's release is what serves."""
        root, serving, data = self.places.srv / self.app, self.state["serving"], order.get("data")

        def alike(part: str, folder: Path) -> bool:
            there = {
                path.relative_to(folder): todo.files.get(str(path.relative_to(root)), path.read_text(encoding="utf-8"))
                for path in folder.rglob("*")
                if path.is_file() and path.name not in (ORDER_FILE, PINNED_FILE)
            }
            source = self.places.wanted(self.app, part)
            wanted = {
                path.relative_to(source): path.read_text(encoding="utf-8")
                for path in source.rglob("*")
                if path.is_file() and path.name != KEY_FILE
            }
            return bool(wanted) and wanted == there

        same = (
            serving is not None
            and serving["release"] == order["release"]
            and alike("release", self.places.release(self.app, serving["id"]))
        )
        kept = data and alike("data", self.places.databases(self.app))
        identity = order["id"] if same else None
        return states.rotated(self.state, self._stamp(), what, identity, data["id"] if data and kept else None)

    def _align(self, serving: Release) -> set[str]:
        """Give the releases that are kept today's secrets: going back must not bring old ones back. Returns which."""
        today: dict[str, str] = {}
        aligned = set()
        for path in self.places.release(self.app, serving["id"]).glob("env/*.env"):
            today.update(lines(path.read_text(encoding="utf-8")))
        for path in (self.places.srv / self.app / "releases").glob("*/env/*.env"):
            text = path.read_text(encoding="utf-8")
            if renewed(text, today) != text:
                write_atomic(path, renewed(text, today))
                aligned.add(path.parents[1].name)
        return aligned

    def _litter(self) -> list[Path]:
        """Return what runs that were cut off have left behind: copies with secrets in them, which no release needs."""
        root, candidate = self.places.srv / self.app, self.state["candidate"]
        known = {item["id"] for item in self.state["released"]} | ({candidate["release"]["id"]} if candidate else set())
        stale = [path for path in root.glob("releases/*") if path.name not in known]
        patterns = ("data.before", ".data.*", f".{JOURNAL}.*", "releases/*/env/.*", "builds/.*")
        return sorted({*stale, *(path for pattern in patterns for path in root.glob(pattern))})

    def _mend(self) -> None:
        """Find the databases' folder again where a run was cut off between its two names: it has their passwords."""
        folder = self.places.databases(self.app)
        old = folder.with_name(f".{folder.name}.old")
        if not folder.exists() and old.exists():
            old.rename(folder)

    def _sweep(self, built: str | None = None, fetched: Iterable[str] = ()) -> None:
        self._prune(built, fetched)
        for path in self._litter():
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    # -- helpers -------------------------------------------------------------------------------------------------

    def _back(self, release: Release, reason: str) -> None:
        """Take a candidate away and start again what was stopped for it."""
        self.services.down(f"{self.app}-{release['slot']}")
        serving = self.state["serving"]
        if serving:
            containers = self.services.containers(f"{self.app}-{serving['slot']}")
            stopped = [container.name for container in containers if container.status in ("exited", "created")]
            if stopped:
                self.services.start(*stopped)
        self._save(states.refused(self.state, self._stamp(), reason.splitlines()[0]))
        self._prune()

    def _stop_serving(self, services: set[str] | None) -> None:
        serving = self.state["serving"]
        if not serving:
            return
        containers = self.services.containers(f"{self.app}-{serving['slot']}")
        names = [container.name for container in containers if services is None or container.service in services]
        if names:
            self.services.stop(*names)

    def _serving_singletons(self) -> list[str]:
        serving = self.state["serving"]
        return list(self.rollback_order(serving)["singletons"]) if serving else []

    def _switched(self) -> dict[str, Any]:
        candidate = self.state["candidate"]
        if not candidate or candidate["step"] != "switch":
            raise ReleaseError(f"{self.app}: no release is under way here. Run the play again from the start")
        return dict(candidate)

    def _message(self, release: Mapping[str, Any], refused: RefusedError, next_step: str) -> str:
        serving = self.state["serving"]
        return refusal(self.app, release["release"], serving and serving["release"], refused, next_step)

    def _prune(self, built: str | None = None, fetched: Iterable[str] = ()) -> None:
        """Remove folders, images and builds of releases that nobody can go back to.

        ``built`` and ``fetched``, by tag, are what the next one is made of, which one that was cut off may have begun.
        """
        spared = set(fetched)
        folder = self.places.srv / self.app / "releases"
        if not folder.exists():
            return
        kept = {item["id"] for item in self.state["released"]}
        in_use = {image for item in kept for image in self._images(item)}
        for stale in sorted(path for path in folder.iterdir() if path.name not in kept):
            images = self._images(stale.name) - in_use
            images = {image for image in images if image.partition("@")[0] not in spared}
            shutil.rmtree(stale)
            self._remove_images(images)
        used = {path.readlink().name for path in folder.glob(f"*/{TREE}")} | {built}
        for path in (self.places.srv / self.app / "builds").glob("[!.]*"):
            if path.name not in used:
                shutil.rmtree(path)

    def _remove_images(self, images: set[str]) -> None:
        # The engine refuses where any container still uses one, which is right.
        for image in sorted(images):
            self.docker.run("image", "rm", image)

    def _images(self, identity: str) -> set[str]:
        """Return the images of a release, by tag and as pinned; none where a run was cut off before it wrote them."""
        order = self.places.release(self.app, identity) / ORDER_FILE
        known = json.loads(order.read_text(encoding="utf-8")) if order.exists() else {"images": {}}
        if known.get("source"):
            return set()
        tags = known["images"].values()
        return {*tags, *self._pinned(identity).values()}

    def _pinned(self, identity: str) -> dict[str, str]:
        """Return the pinned image of each service of a release."""
        path = self.places.release(self.app, identity) / PINNED_FILE
        services = json.loads(path.read_text(encoding="utf-8"))["services"] if path.exists() else {}
        return {service: item["image"] for service, item in services.items()}

    def _slot(self, release: Release) -> Project:
        folder = self.places.release(self.app, release["id"])
        files = () if (folder / TREE).is_symlink() else ("compose.yml", f"slot-{release['slot']}.yml", PINNED_FILE)
        return Project(f"{self.app}-{release['slot']}", str(folder), files)

    def _checks(self, order: Order, slot: str) -> list[Check]:
        ports = order["slots"][slot]["ports"]
        return [
            Check(
                item["service"],
                ports.get(item["service"]),
                item["path"],
                item["host"],
                item["interval"],
                item["timeout"],
            )
            for item in order["health"]
        ]

    def _gate(self, order: Order) -> Gate:
        return Gate(self.services, self._secrets(order))

    def _secrets(self, order: Order) -> list[str]:
        """Return what must not be read in an excerpt of a log."""
        folder = self.places.release(self.app, order["id"])
        found: list[str] = []
        for path in folder.glob("env/*.env"):
            found += values(path.read_text(encoding="utf-8")).values()
        for path in self.places.databases(self.app).glob("secrets/*"):
            found += path.read_text(encoding="utf-8").splitlines()[:1]
        return found

    def _stamp(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _save(self, state: State) -> None:
        states.write(state, self.places.state)
        self.state = state

    @contextmanager
    def _lock(self, create: bool = True) -> Iterator[None]:
        if not create:
            yield
            return
        self.places.state.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.places.state / f".{self.app}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.state = states.read(self.app, self.places.state)
            yield
        except BlockingIOError as error:
            raise ReleaseError(
                f"{self.app}: another release is under way on this server. Wait for it and run the play again"
            ) from error
        finally:
            os.close(handle)


def _copy(source: Path, target: Path, texts: Mapping[str, str] | None = None) -> None:
    """Make ``target`` what ``source`` is, with owners and modes; ``texts`` stand in for the content of files."""
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, partial)
    for name, text in (texts or {}).items():
        (partial / name).write_text(text, encoding="utf-8")
    for folder, folders, files in os.walk(source):
        for name in (".", *folders, *files):
            status = Path(folder, name).stat()
            os.chown(partial / Path(folder).relative_to(source) / name, status.st_uid, status.st_gid)
    for path in [path for path in partial.rglob("*") if path.is_file()]:
        # A container holds on to a file, not to its name: what stays the same has to stay the same file.
        old = target / path.relative_to(partial)
        if old.is_file() and _same(old, path):
            path.unlink()
            os.link(old, path)
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _same(one: Path, two: Path) -> bool:
    first, second = one.stat(), two.stat()
    rights = [(item.st_uid, item.st_gid, item.st_mode) for item in (first, second)]
    return rights[0] == rights[1] and one.read_bytes() == two.read_bytes()


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON, which is YAML too."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

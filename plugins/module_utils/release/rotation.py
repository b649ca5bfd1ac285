# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another value for a secret: in the database, in the services that use it, in everything that is kept here.

What is there decides what there is to do: whether the database takes the password, what containers have in their
environment, what files say. So it can be cut off anywhere and run again. ``rotation.json`` keeps what was there before
for as long as it is under way, and no longer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import write_atomic
from ansible_collections.mainstay.platform.plugins.module_utils.release import secrets
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Container, Docker, Project
from ansible_collections.mainstay.platform.plugins.module_utils.release.gate import Check, Gate
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import RefusedError, ReleaseError
from ansible_collections.mainstay.platform.plugins.module_utils.release.passwords import (
    Access,
    LockedError,
    Passwords,
)
from ansible_collections.mainstay.platform.plugins.module_utils.release.runner import Services
from ansible_collections.mainstay.platform.plugins.module_utils.release.secrets import Scope, Secrets

JOURNAL = "rotation.json"


@dataclass(frozen=True)
class Serving:
    """What serves: the folder of its release within the app's, its Compose project, and how to tell that it is well."""

    folder: str
    project: Project
    checks: Sequence[Check]


@dataclass
class Todo:
    """What there is to do; ``files`` maps paths within the app's folder to what they are to hold."""

    scope: Scope = field(default_factory=Scope)
    databases: list[str] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict, repr=False)
    others: Scope = field(default_factory=Scope)

    @property
    def pending(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.databases or self.services or self.files)

    @property
    def text(self) -> list[str]:
        """What there is to do, in words."""
        kept = len(self.files)
        return [
            *(f"change the password of {name} in the database" for name in self.databases),
            *([f"restart {', '.join(self.services)}"] if self.services else []),
            *([f"write {kept} file{'s' if kept > 1 else ''} with secrets anew"] if kept else []),
        ]


class Rotation:
    """The rotation of secrets of one app; ``folder`` is the app's, ``wanted`` what the inventory says."""

    def __init__(
        self,
        app: str,
        folder: Path,
        docker: Docker,
        services: Services,
        wanted: Mapping[str, str],
        databases: Mapping[str, Mapping[str, Any]],
        serving: Serving | None,
        passwords: Passwords | None = None,
        gate: Callable[[Sequence[str]], Gate] | None = None,
        watch: float = 5,
    ) -> None:
        self.app, self.folder, self.services, self.serving, self.watch = app, folder, services, serving, watch
        self.passwords = passwords or Passwords(docker)
        self._new_gate = gate or (lambda hidden: Gate(services, hidden))
        self.journal = _read_journal(folder / JOURNAL)
        self.files = _read(folder)
        self.wanted = Secrets.of(wanted)
        self.before = self._before()
        self.access = {
            name: Access(f"{app}-data-{name}-1", str(item["engine"]), item["user"]) for name, item in databases.items()
        }

    # -- what there is to do -------------------------------------------------------------------------------------

    def scope(self, name: str) -> Scope:
        """Return what has to change together with a secret. Raises ReleaseError where there is none of that name."""
        if name not in self.wanted.names:
            there = ", ".join([*(f"{item} (a database)" for item in self.wanted.passwords), *self.wanted.variables])
            raise ReleaseError(f"{self.app}: there is no secret '{name}'. There are: {there or 'none'}")
        return secrets.scope([name], self.wanted, self.before) | self.cut_off

    @property
    def cut_off(self) -> Scope:
        """What a run that was cut off had begun to rotate."""
        begun = self.journal.get("names", [])
        return secrets.scope([name for name in begun if name in self.wanted.names], self.wanted, self.before)

    @property
    def overdue(self) -> Scope:
        """Passwords of databases that the inventory has changed, and what was begun: no release can do these."""
        names = secrets.changed(self.wanted, self.before).databases
        return secrets.scope(names, self.wanted, self.before) | self.cut_off

    def plan(self, scope: Scope, running: Iterable[Container], ask: bool) -> Todo:
        """Return what there is to do. With ``ask`` databases are asked, without it files alone are compared."""
        differing = secrets.changed(self.wanted, self.before)
        known = [name for name in scope.databases if name in self.access and self._had(name) is not None]
        databases = [
            name
            for name in known
            if name in differing.databases
            or (self.journal and name in self.journal["names"])
            or (ask and not self.passwords.good(self.access[name], self.wanted.passwords[name]))
        ]
        left = Scope(
            tuple(name for name in differing.databases if name not in scope.databases),
            tuple(name for name in differing.variables if name not in scope.variables),
        )
        return Todo(
            scope,
            databases,
            self._services(scope, running, ask),
            secrets.targets(scope, self.wanted, self.files),
            left,
        )

    def _services(self, scope: Scope, running: Iterable[Container], insist: bool) -> list[str]:
        """Return the services that serve and have another value than the inventory; raises where one does not run."""
        if not self.serving:
            return []
        project, own = self.serving.project.name, {check.service for check in self.serving.checks}
        ours = [container for container in running if container.project == project and container.service in own]
        # Compose creates the new container before it stops and removes the old one: a run was killed in between.
        replaced = {container.service for container in ours if container.status == "created"}
        found = []
        for container in ours:
            if not self._uses(scope, container.env):
                continue
            # One that cannot log in any more is started again and again.
            if container.status in ("running", "restarting") or container.service in replaced:
                found.append(container.service)
            elif insist:
                raise ReleaseError(
                    f"{self.app}: {container.service} is {container.status} and would be started. A restore stops "
                    "services while it works: let it end. Otherwise run playbooks/deploy.yml, which starts what has "
                    "stopped, and then this again"
                )
        return list(dict.fromkeys(found))

    def _uses(self, scope: Scope, env: Mapping[str, str] | None) -> bool:
        if env is None:
            # Nobody can see what it was started with.
            return bool(len(scope))
        # Nobody has seen whether what was started before a run was cut off is well.
        begun = self.journal and any(key in env for key in self.journal["names"])
        return bool(begun or secrets.unserved(scope, self.wanted, env))

    # -- doing it ------------------------------------------------------------------------------------------------

    def run(self, todo: Todo) -> None:
        """Do it; where what serves does not become well, everything is as before. Raises ReleaseError."""
        if not todo.pending:
            self._forget()
            return
        for name in todo.databases:
            # What cannot be asked at all says so before anything is touched.
            self.passwords.good(self.access[name], self.wanted.passwords[name])
        # What a run that was cut off has touched nobody knows.
        touched, services = (list(todo.databases), todo.services) if self.journal else ([], [])
        self._note(todo)
        serving = {path: text for path, text in todo.files.items() if self._serves(path)}
        try:
            for name in todo.databases:
                self._change(name, touched)
            services = todo.services
            self._write(serving)
            self._restart(todo.services)
        except ReleaseError as error:
            raise self._back(todo, touched, services, error) from error
        self._write(todo.files)
        self._forget()

    def _change(self, name: str, touched: list[str]) -> None:
        known = name in touched
        touched.append(name)
        try:
            self.passwords.change(self.access[name], self.wanted.passwords[name], self._known(name))
        except LockedError:
            if not known:
                touched.remove(name)
            raise

    def _restart(self, services: Sequence[str]) -> None:
        if not services or not self.serving:
            return
        project, checks = self.serving.project, [item for item in self.serving.checks if item.service in services]
        self.services.renew(project, services)
        gate = self._new_gate(self._hidden())
        gate.wait(project.name, checks)
        gate.watch(project.name, checks, self.watch)

    def _back(self, todo: Todo, touched: Iterable[str], services: Sequence[str], error: ReleaseError) -> ReleaseError:
        """Put the old values back and return what to say."""
        reason = [f"Reason: {error}"]
        if isinstance(error, RefusedError) and error.log:
            reason += [f"Last lines of {error.source}:", *(f"  {line}" for line in error.log)]
        try:
            for name in dict.fromkeys(touched):
                old = self._had(name)
                if old is not None and old != self.wanted.passwords[name]:
                    self.passwords.change(self.access[name], old, self._known(name))
            self._write(self.journal["before"])
            self._restart(services)
        except ReleaseError as again:
            state = f"and the old one could not be put back: {again}"
            following = "remove the cause and run this again: it goes on from here, with whatever value you name then"
        else:
            self._forget()
            state = "everything has the old value again"
            following = "look at the log; what the inventory says is tried again by the next run"
        return ReleaseError(
            "\n".join([f"{self.app}: {todo.scope.text} was not rotated; {state}.", *reason, f"Next: {following}"])
        )

    # -- files ---------------------------------------------------------------------------------------------------

    def _serves(self, path: str) -> bool:
        return self.serving is not None and path.startswith(f"{self.serving.folder}/")

    def _before(self) -> Secrets:
        """Return what is in use, or was when a run began that was cut off."""
        found = {**self.files, **self.journal.get("before", {})}
        inside = {}
        for path, text in found.items():
            if self._serves(path):
                inside["release" + path[len(self.serving.folder) :]] = text  # type: ignore[union-attr]
            elif path.startswith(secrets.PASSWORDS):
                inside[path] = text
        return Secrets.of(inside)

    def _had(self, database: str) -> str | None:
        return self.before.passwords.get(database)

    def _known(self, database: str) -> list[str]:
        """Return the passwords that a database may have."""
        had, tried = self._had(database), self.journal.get("tried", {}).get(database, [])
        return [item for item in (self.wanted.passwords[database], had, *tried) if item is not None]

    def _hidden(self) -> list[str]:
        """Return what must not be read in an excerpt of a log."""
        return [
            *self.wanted.passwords.values(),
            *self.before.passwords.values(),
            *(self.wanted.value(key) for key in self.wanted.variables),
            *(self.before.value(key) for key in self.before.variables),
        ]

    def _note(self, todo: Todo) -> None:
        """Keep what is there now, unless a run that was cut off has kept it; written so that a crash leaves either."""
        before = dict(self.journal.get("before", {}))
        kept = {path: self.files[path] for path in todo.files}
        names = [*self.journal.get("names", []), *todo.scope.databases, *todo.scope.variables]
        tried = {name: self._known(name) for name in todo.databases}
        self.journal = {
            "names": list(dict.fromkeys(names)),
            "before": {**kept, **before},
            "tried": {**self.journal.get("tried", {}), **tried},
        }
        write_atomic(self.folder / JOURNAL, json.dumps(self.journal))

    def _forget(self) -> None:
        self.journal = {}
        (self.folder / JOURNAL).unlink(missing_ok=True)
        (self.folder / f".{JOURNAL}.partial").unlink(missing_ok=True)

    def _write(self, files: Mapping[str, str]) -> None:
        for path, text in files.items():
            target = self.folder / path
            if not target.parent.is_dir():
                continue
            if path.startswith("data/"):
                # A container holds on to the file, not to its name: another one under this name would not reach it.
                # What it held is in the journal.
                with target.open("w", encoding="utf-8") as file:
                    file.write(text)
            else:
                write_atomic(target, text)


def _read(folder: Path) -> dict[str, str]:
    """Return all files with secrets in an app's folder but those that the inventory wants."""
    paths = [*folder.glob("releases/*/env/*.env"), *folder.glob("data/secrets/*")]
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in sorted(paths)}


def _read_journal(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as error:
        raise ReleaseError(
            f"{path} cannot be read ({error}). It says what a rotation that was cut off has begun: remove it, and "
            "run playbooks/rotate.yml for what was being rotated"
        ) from error


def told(app: str, name: str, todo: Todo, dry: bool) -> list[str]:
    """Return what an operator reads at the end."""
    if not todo.pending:
        found = [f"{app}: {name} is everywhere what the inventory says; nothing was done."]
    else:
        would = " would be" if dry else " was"
        plural = " would be" if dry else " were"
        found = [f"{app}: {todo.scope.text}{would if len(todo.scope) == 1 else plural} rotated"]
        found += [f"  password changed in   {', '.join(todo.databases)}"] if todo.databases else []
        found += [f"  restarted             {', '.join(todo.services) or 'nothing: no service uses it'}"]
        found += [f"  written anew          {len(todo.files)} files with secrets, those of kept releases among them"]
    if todo.others:
        found += [
            f"Left alone: {todo.others.text}. The inventory has other values for them as well: rotate each of them, or "
            "release the app, which brings them all."
        ]
    return found

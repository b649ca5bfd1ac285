# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stopping an app's services while its data is replaced, and starting the same ones again."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import private_directory, write_atomic
from ansible_collections.mainstay.platform.plugins.module_utils.backup.place import Place
from ansible_collections.mainstay.platform.plugins.module_utils.backup.verdict import BackupError
from ansible_collections.mainstay.platform.plugins.module_utils.release.units import Units

SLOTS = ("blue", "green")
POLL = 0.5
UP = ("running", "running healthy")


class Pause:
    """The services of one app: every container and unit of its slots, none of its databases."""

    def __init__(self, app: str, state: Path, units: Units | None = None) -> None:
        self._app, self._units = app, units or Units()
        self._docker = shutil.which("docker") is not None
        self._memory = state / f"{app}.paused"
        self._host = Place()

    def running(self) -> list[str]:
        """The services that run now."""
        return sorted([*self._services(), *(name for name, state in self._of_units().items() if state != "exited")])

    def _of_units(self) -> dict[str, str]:
        found = self._units.containers(*(f"{self._app}-{slot}" for slot in SLOTS))
        return {unit.name: unit.status for unit in found}

    def _services(self, *options: str) -> list[str]:
        names: set[str] = set()
        for slot in SLOTS if self._docker else ():
            project = f"label=com.docker.compose.project={self._app}-{slot}"
            out = self._host.run(["docker", "ps", "--filter", project, "--format", "{{.Names}}", *options], timeout=60)
            names |= set(out.split())
        return sorted(names)

    def remembered(self) -> list[str]:
        """The services that were stopped by an earlier call and not started since."""
        try:
            return [str(name) for name in json.loads(self._memory.read_text(encoding="utf-8"))]
        except FileNotFoundError:
            return []

    def stop(self, names: list[str]) -> None:
        """Stop these services, and remember them with those of an earlier call that was interrupted."""
        if not names:
            return
        private_directory(self._memory.parent)
        write_atomic(self._memory, json.dumps(sorted({*names, *self.remembered()})))
        self._tell("stop", names)

    def _tell(self, verb: str, names: list[str]) -> None:
        units = [name for name in names if Units.is_unit(name)]
        containers = [name for name in names if name not in units]
        if containers and not self._docker:
            raise BackupError(f"docker is gone, and {', '.join(containers)} had been stopped")
        if containers:
            self._host.run(["docker", verb, *containers], timeout=600)
        if units:
            (self._units.stop if verb == "stop" else self._units.start)(*units)

    def start(self, names: list[str], timeout: float) -> None:
        """Start these services and wait until they are up, and healthy where they say so.

        Those that a release has removed since they were stopped are forgotten: others serve in their place.
        """
        if not names:
            return
        there = [*self._services("--all"), *self._of_units()]
        if not self._docker:
            there += [name for name in names if not Units.is_unit(name)]
        names = [name for name in names if name in there]
        if not names:
            self._memory.unlink(missing_ok=True)
            return
        self._tell("start", names)
        deadline = time.monotonic() + timeout
        while waiting := {name: state for name, state in self._states(names).items() if state not in UP}:
            if time.monotonic() > deadline:
                slow = ", ".join(f"{name} ({state})" for name, state in sorted(waiting.items()))
                raise BackupError(f"started, but not healthy after {timeout:.0f} s: {slow}")
            time.sleep(POLL)
        self._memory.unlink()

    def _states(self, names: list[str]) -> dict[str, str]:
        units = {name: state for name, state in self._of_units().items() if name in names}
        containers = [name for name in names if name not in units]
        return {**units, **(self._of_containers(containers) if containers else {})}

    def _of_containers(self, names: list[str]) -> dict[str, str]:
        form = "{{.Name}}\t{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}"
        out = self._host.run(["docker", "inspect", "--format", form, *names], timeout=60)
        pairs = (line.lstrip("/").split("\t") for line in out.splitlines())
        return {name: state.strip() for name, state in pairs}

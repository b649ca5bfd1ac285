# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services as systemd units. ``Units`` is a ``Services`` (``runner.py``): a project is one slot of an app.

Of a release, ``units/<slot>/*.service`` run always and ``once/<slot>/<service>.service`` once. Their text knows the
slot alone: ``/srv/<app>/slots/<slot>`` leads to the release that is in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ansible_collections.mainstay.platform.plugins.module_utils.backup.files import write_atomic
from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Container, Project
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import ReleaseError, excerpt

SUFFIX = ".service"
# Of a service that is asked by a command: shop-blue-web.health.service.
HEALTH = ".health.service"
PINNED_FILE = "images.yml"
ROOT_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_PROPERTIES = ("Id", "ActiveState", "SubState", "Result", "ExecMainStatus", "NRestarts", "MainPID")
# What systemd says is going on -> what Docker would call it.
_STATUS = {"active": "running", "activating": "created", "deactivating": "created", "reloading": "running"}


class Units:
    """Calls ``systemctl``. ``etc`` holds units that stay, ``run`` those that run once; ``srv`` the apps."""

    def __init__(
        self,
        srv: Path = Path("/srv"),
        etc: Path = Path("/etc/systemd/system"),
        run: Path = Path("/run/systemd/system"),
        proc: Path = Path("/proc"),
    ) -> None:
        self.srv, self.etc, self.run, self.proc = srv, etc, run, proc

    @staticmethod
    def is_unit(name: str) -> bool:
        """Whether a name is that of a unit, and not of a container."""
        return name.endswith(SUFFIX)

    # -- what runs -----------------------------------------------------------------------------------------------

    def containers(self, *projects: str) -> list[Container]:
        """Return the units of projects, in the order of their names."""
        installed = ((unit, project) for project in projects for unit in self._installed(project))
        names = {unit: project for unit, project in installed if not unit.endswith(HEALTH)}
        if not names:
            return []
        shown = self._must("show", f"--property={','.join(_PROPERTIES)}", "--", *names)
        blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in shown.split("\n\n")]
        found = {block["Id"]: block for block in blocks if block.get("Id") in names}
        return [self._container(name, names[name], found[name]) for name in sorted(found)]

    def _container(self, name: str, project: str, shown: Mapping[str, str]) -> Container:
        service = name[len(project) + 1 : -len(SUFFIX)]
        release = self._slot(project)
        status = _STATUS.get(shown["ActiveState"], "exited")
        if shown["SubState"].startswith("auto-restart"):
            status = "restarting"
        return Container(
            name=name,
            project=project,
            service=service,
            image=_pinned(release).get(service, ""),
            status=status,
            exit_code=int(shown["ExecMainStatus"] or 0),
            restarts=int(shown["NRestarts"] or 0),
            oom_killed=shown["Result"] == "oom-kill",
            check=[f"{project}-{service}{HEALTH}"] if (self.etc / f"{project}-{service}{HEALTH}").exists() else [],
            env=self._environment(int(shown["MainPID"] or 0)),
        )

    def _environment(self, process: int) -> dict[str, str] | None:
        try:
            raw = (self.proc / str(process) / "environ").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        found = dict(item.partition("=")[::2] for item in raw.split("\0") if item)
        # systemd gives every process this one. Who sets a title for process lists writes it over the environment.
        return found if "INVOCATION_ID" in found else None

    def _installed(self, project: str) -> list[str]:
        app, _dash, slot = project.rpartition("-")
        # Those of an app named shop-blue-x begin like those of shop in blue.
        own = f"/{app}/slots/{slot}/"
        found = self.etc.glob(f"{project}-*{SUFFIX}")
        return sorted(path.name for path in found if own in path.read_text(encoding="utf-8"))

    def _slot(self, project: str) -> Path:
        app, _dash, slot = project.rpartition("-")
        return self.srv / app / "slots" / slot

    # -- changing it ---------------------------------------------------------------------------------------------

    def up(self, project: Project, services: Sequence[str] = ()) -> None:
        """Put a release into its slot and start its units, or those of some services, now and at every boot."""
        self._enter(project)
        slot = project.name.rpartition("-")[2]
        texts = {path.name: path.read_text(encoding="utf-8") for path in Path(project.folder).glob(f"units/{slot}/*")}
        wanted = [f"{project.name}-{service}{SUFFIX}" for service in services] or list(texts)
        names = [name for name in wanted if name in texts]
        for name in names:
            write_atomic(self.etc / name, texts[name], 0o644)
            service = name[len(project.name) + 1 : -len(SUFFIX)]
            asked = Path(project.folder) / "once" / slot / f"{service}{HEALTH}"
            if asked.exists():
                write_atomic(self.etc / f"{project.name}-{service}{HEALTH}", asked.read_text(encoding="utf-8"), 0o644)
        if names:
            self._must("daemon-reload")
            self._must("enable", "--quiet", *names)
            # Whether they have come up their health tells.
            self._systemctl("start", *names)

    def renew(self, project: Project, services: Sequence[str]) -> None:
        """Start services anew, and touch no other."""
        self._systemctl("restart", *(f"{project.name}-{service}{SUFFIX}" for service in services))

    def down(self, name: str) -> None:
        """Stop a slot's units and forget them.

        The slot keeps its files until the next release: pages that are open in browsers ask for their scripts.
        """
        names = self._installed(name)
        if names:
            self._must("disable", "--quiet", "--now", *names)
            for unit in names:
                (self.etc / unit).unlink(missing_ok=True)
            self._must("daemon-reload")
            # One that had failed is remembered as such until it is told to be forgotten; others are unknown by now.
            self._systemctl("reset-failed", *names)

    def stop(self, *units: str) -> None:
        """Stop units, and do not start them at boot: what they wait for may take longer."""
        self._must("disable", "--quiet", "--now", *units)

    def start(self, *units: str) -> None:
        """Start units that were stopped, now and at every boot."""
        self._must("enable", "--quiet", "--now", *units)

    # -- running once --------------------------------------------------------------------------------------------

    def once(self, project: Project, service: str, timeout: float) -> tuple[int | None, str]:
        """Run a service to its end; returns its exit code, None where it was stopped after ``timeout``, and its log."""
        self._enter(project)
        path = Path(project.folder) / "once" / project.name.rpartition("-")[2] / f"{service}{SUFFIX}"
        return self.run_file(path, f"{project.name}-{service}{SUFFIX}", timeout)

    def check(self, container: Container, timeout: float) -> tuple[int, str]:
        """Run a health command in the same sandbox as its service. Raises TimeoutExpired."""
        [name] = container.check
        code, log = self._to_its_end(name, self.etc, timeout)
        if code is None:
            raise subprocess.TimeoutExpired(name, timeout)
        return code, log

    def run_file(self, path: Path, name: str, timeout: float) -> tuple[int | None, str]:
        """Run the unit in a file to its end, as ``once`` does."""
        self.halt(name)
        self.run.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, self.run / name)
        try:
            self._must("daemon-reload")
            return self._to_its_end(name, self.run, timeout)
        finally:
            (self.run / name).unlink()
            self._systemctl("daemon-reload")

    def halt(self, name: str) -> None:
        """Stop what a run that was cut off has begun: its result is nobody's, and a start would wait for it."""
        self._systemctl("stop", name)

    def _to_its_end(self, name: str, folder: Path, timeout: float) -> tuple[int | None, str]:
        code, refusal = None, ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = self._systemctl("start", name, timeout=timeout)
            code = int(self._must("show", "--property=ExecMainStatus", "--value", name) or 0)
            if done.returncode and not code:
                # It was not even begun.
                code, refusal = done.returncode, done.stderr
        if code is None:
            self._systemctl("stop", name)
        log = self._log(name, folder / name) + refusal
        # Otherwise it counts as failed for as long as the server runs.
        self._systemctl("reset-failed", name)
        return code, log

    # -- logs ----------------------------------------------------------------------------------------------------

    def logs(self, unit: str, secrets: Sequence[str]) -> list[str]:
        """Return the last lines that a unit has logged since its release came."""
        return excerpt(self._log(unit, self.etc / unit), secrets)

    def _log(self, unit: str, since: Path) -> str:
        subprocess.run(["journalctl", "--sync"], check=False, capture_output=True)
        begin = f"@{since.stat().st_mtime:.0f}" if since.exists() else "@0"
        words = ["journalctl", f"--unit={unit}", f"--since={begin}", "--lines=60", "--output=cat", "--no-pager"]
        done = subprocess.run(words, check=False, capture_output=True, text=True, errors="replace")
        return done.stdout

    # -- helpers -------------------------------------------------------------------------------------------------

    def _enter(self, project: Project) -> None:
        """Make the slot lead to the project's release."""
        slot = self._slot(project.name)
        slot.parent.mkdir(exist_ok=True)
        # nginx, which serves static files, passes through.
        slot.parent.chmod(0o711)
        target = os.path.relpath(project.folder, slot.parent)
        if slot.is_symlink() and str(slot.readlink()) == target:
            return
        partial = slot.with_name(f".{slot.name}.partial")
        partial.unlink(missing_ok=True)
        partial.symlink_to(target)
        partial.replace(slot)

    def _systemctl(self, *words: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["systemctl", *words], check=False, capture_output=True, text=True, errors="replace", timeout=timeout
        )

    def _must(self, *words: str) -> str:
        done = self._systemctl(*words)
        if done.returncode:
            raise ReleaseError(f"`systemctl {' '.join(words)}` failed: {'; '.join(excerpt(done.stderr, lines=5))}")
        return done.stdout


def _pinned(release: Path) -> dict[str, str]:
    """Return what each service of a release was started from."""
    try:
        services: Mapping[str, Mapping[str, str]] = json.loads((release / PINNED_FILE).read_text(encoding="utf-8"))[
            "services"
        ]
    except FileNotFoundError:
        return {}
    return {service: item["image"] for service, item in services.items()}


def make_root(root: Path, mounts: Sequence[str]) -> None:
    """Make an empty root directory with a place for everything that a sandbox mounts, and the system's own links."""
    for name in ("usr", "etc", "proc", "sys", "dev", "run", "tmp", "var/tmp", "app", *mounts):
        (root / name.lstrip("/")).mkdir(parents=True, exist_ok=True)
    (root / "build.sh").touch()
    for name in ROOT_LINKS:
        system, link = Path("/") / name, root / name
        if system.is_symlink() and not link.is_symlink():
            link.symlink_to(system.readlink())
    for path in _folders(root):
        path.chmod(0o755)


def _folders(root: Path) -> Iterator[Path]:
    yield root
    yield from (path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())

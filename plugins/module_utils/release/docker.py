# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few words of the Docker command line that releases need. ``Docker`` is a ``Services`` (``runner.py``)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import (
    ReleaseError,
    excerpt,
    explain_registry,
    registry_of,
)

_PROJECT, _SERVICE, _ONEOFF = (f"com.docker.compose.{label}" for label in ("project", "service", "oneoff"))


@dataclass(frozen=True)
class Container:
    """A container, as ``docker inspect`` tells, or a unit.

    ``image`` is what it was created from, ``check`` its health command.
    """

    name: str
    project: str
    service: str
    image: str
    status: str
    exit_code: int = 0
    restarts: int = 0
    oom_killed: bool = False
    check: list[str] = field(default_factory=list)
    # None: not known. It holds secrets.
    env: Mapping[str, str] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, inspected: dict[str, Any]) -> Container:
        """Read one object of ``docker inspect`` (engine API 1.41 and later)."""
        state, config = inspected["State"], inspected["Config"]
        labels = config.get("Labels") or {}
        return cls(
            name=inspected["Name"].lstrip("/"),
            project=labels.get(_PROJECT, ""),
            service=labels.get(_SERVICE, ""),
            image=config["Image"],
            status=state["Status"],
            exit_code=state["ExitCode"],
            restarts=inspected["RestartCount"],
            oom_killed=state["OOMKilled"],
            check=_check((config.get("Healthcheck") or {}).get("Test") or []),
            env=dict(line.partition("=")[::2] for line in config.get("Env") or []),
        )


def _check(test: Sequence[str]) -> list[str]:
    if test[:1] == ["CMD"]:
        return list(test[1:])
    if test[:1] == ["CMD-SHELL"]:
        return ["/bin/sh", "-c", *test[1:]]
    return []


@dataclass(frozen=True)
class Project:
    """A Compose project, of which ``files`` lie in ``folder``; or, without files, the units in it."""

    name: str
    folder: str
    files: tuple[str, ...] = ()


class Docker:
    """Calls ``docker``. Every method raises ReleaseError with the engine's words when that fails."""

    def __init__(self, program: str | None = None) -> None:
        self.program = program or shutil.which("docker")

    def run(
        self,
        *words: str,
        timeout: float | None = None,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run ``docker words…`` and return what it did, whatever its exit code; raises TimeoutExpired.

        ``env`` is added to its environment, for secrets that a command line must not show.
        """
        if not self.program:
            raise ReleaseError("docker is not installed here: the role mainstay.platform.docker installs it")
        return subprocess.run(
            [self.program, *words],
            input=stdin or "",
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout,
            env={**os.environ, **env} if env else None,
        )

    def must(self, *words: str) -> str:
        """Run ``docker words…`` and return its output."""
        done = self.run(*words)
        if done.returncode:
            raise ReleaseError(f"`docker {' '.join(words)}` failed: {'; '.join(excerpt(done.stderr, lines=5))}")
        return done.stdout

    def containers(self, *projects: str) -> list[Container]:
        """Return the containers of Compose projects, one-shot runs left out, in the order of their names."""
        ids: set[str] = set()
        for project in projects:
            filters = ("--filter", f"label={_PROJECT}={project}", "--filter", f"label={_ONEOFF}=False")
            ids |= set(self.must("ps", "--all", "--quiet", *filters).split())
        if not ids:
            return []
        return sorted((Container.of(item) for item in self._inspect(sorted(ids))), key=lambda container: container.name)

    def _inspect(self, ids: list[str]) -> list[dict[str, Any]]:
        done = self.run("inspect", "--type", "container", *ids)
        # A container that has gone since it was listed is left out of the output, and the exit code is 1.
        if done.returncode and "no such container" not in done.stderr.lower():
            raise ReleaseError(f"`docker inspect` failed: {'; '.join(excerpt(done.stderr))}")
        return list(json.loads(done.stdout or "[]"))

    def logs(self, container: str, secrets: Sequence[str]) -> list[str]:
        """Return the last lines that a container has logged."""
        return excerpt(self._log(container), secrets)

    def _log(self, container: str) -> str:
        done = self.run("logs", "--tail", "60", container)
        return done.stdout + done.stderr

    def stop(self, *containers: str) -> None:
        """Stop containers."""
        self.must("stop", *containers)

    def start(self, *containers: str) -> None:
        """Start containers that have stopped."""
        self.must("start", *containers)

    def check(self, container: Container, timeout: float) -> tuple[int, str]:
        """Run a container's health command; returns its exit code and what it said. Raises TimeoutExpired."""
        done = self.run("exec", container.name, *container.check, timeout=timeout)
        return done.returncode, done.stdout + done.stderr

    def once(self, project: Project, service: str, timeout: float) -> tuple[int | None, str]:
        """Run a service to its end; returns its exit code, None where it was stopped after ``timeout``, and its log."""
        name = f"{project.name}-{service}-1"
        self.run("rm", "--force", name)
        words = ("--progress", "quiet", "run", "--rm", "--no-deps", "-T", "--name", name, service)
        try:
            done = self.compose(project, *words, timeout=timeout)
        except subprocess.TimeoutExpired:
            log = self._log(name)
            self.run("rm", "--force", name)
            return None, log
        return done.returncode, done.stdout + done.stderr

    def network(self, name: str, internal: bool) -> bool:
        """Make sure of a network; returns whether it was made now."""
        done = self.run("network", "inspect", name)
        if done.returncode == 0:
            if json.loads(done.stdout)[0]["Internal"] != internal:
                kind = "not internal" if internal else "internal"
                raise ReleaseError(
                    f"network {name} exists and is {kind}. Stop what uses it and run `docker network rm {name}`"
                )
            return False
        self.must("network", "create", *(["--internal"] if internal else []), "--label", "mainstay=app_stack", name)
        return True

    def pull(self, image: str) -> None:
        """Fetch an image; raises ReleaseError that names the cause."""
        done = self.run("pull", "--quiet", image)
        if done.returncode:
            raise ReleaseError(f"image {image} cannot be pulled: {explain_registry(registry_of(image), done.stderr)}")

    def has(self, image: str) -> bool:
        """Whether an image is here already."""
        return self.run("image", "inspect", "--format", "{{.Id}}", image).returncode == 0

    def pinned(self, image: str) -> str:
        """Return the reference of an image that is here that no later push can move: ``shop/web:v1@sha256:…``.

        An image that never came from a registry has no digest and is named by its id.
        """
        if "@" in image:
            return image
        item = json.loads(self.must("image", "inspect", image))[0]
        repository = image.rpartition(":")[0] if ":" in image.rpartition("/")[2] else image
        names = {repository, repository.removeprefix("docker.io/").removeprefix("library/")}
        known = (digest.split("@") for digest in item.get("RepoDigests") or [])
        digests = [digest for name, digest in known if name in names]
        return f"{image}@{digests[0]}" if digests else str(item["Id"])

    def compose(self, project: Project, *words: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        """Run ``docker compose`` on a project and return what it did."""
        files = [word for name in project.files for word in ("--file", f"{project.folder}/{name}")]
        return self.run(
            "compose",
            "--ansi",
            "never",
            "--project-name",
            project.name,
            "--project-directory",
            project.folder,
            *files,
            *words,
            timeout=timeout,
        )

    def up(self, project: Project, services: Sequence[str] = ()) -> None:
        """Bring a project, or some of its services, to what its files say."""
        self._up(project, "--remove-orphans", *services)

    def renew(self, project: Project, services: Sequence[str]) -> None:
        """Create services of a project anew, and touch no other."""
        self._up(project, "--no-deps", "--force-recreate", *services)

    def _up(self, project: Project, *words: str) -> None:
        # What a killed run of Compose has created in place of a container, and never started, has the name that the
        # next one wants. One that is being started at this moment stays.
        left = ("--filter", f"label={_PROJECT}={project.name}", "--filter", "status=created")
        if found := self.must("ps", "--all", "--quiet", *left).split():
            self.run("rm", *found)
        done = self.compose(project, "up", "--detach", "--no-build", "--pull", "never", *words)
        if done.returncode:
            raise ReleaseError(
                f"`docker compose up` of {project.name} failed: {'; '.join(excerpt(done.stderr, lines=5))}"
            )

    def down(self, name: str) -> None:
        """Remove containers and networks of a project; Compose finds them by their labels and needs no file."""
        self.must("compose", "--ansi", "never", "--project-name", name, "down", "--remove-orphans")

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs services: containers or systemd units, behind one set of words.

A project without Compose files has units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Container, Docker, Project
from ansible_collections.mainstay.platform.plugins.module_utils.release.units import Units


class Services(Protocol):
    """What releases ask of whatever runs services. Every method raises ReleaseError where that fails."""

    def containers(self, *projects: str) -> list[Container]:
        """Return what runs, or should, of projects; one-shot runs left out."""

    def up(self, project: Project, services: Sequence[str] = ()) -> None:
        """Bring a project, or some of its services, to what its files say."""

    def renew(self, project: Project, services: Sequence[str]) -> None:
        """Start services anew, and touch no other."""

    def down(self, name: str) -> None:
        """Remove a project."""

    def stop(self, *containers: str) -> None:
        """Stop what runs."""

    def start(self, *containers: str) -> None:
        """Start what was stopped."""

    def once(self, project: Project, service: str, timeout: float) -> tuple[int | None, str]:
        """Run a service to its end; returns its exit code, None where it was stopped after ``timeout``, and its log."""

    def check(self, container: Container, timeout: float) -> tuple[int, str]:
        """Run a health command; returns its exit code and what it said. Raises TimeoutExpired."""

    def logs(self, container: str, secrets: Sequence[str]) -> list[str]:
        """Return the last lines of a log."""


class Runner:
    """Hands each word to Docker or to systemd."""

    def __init__(self, docker: Docker, units: Units) -> None:
        self.docker, self.units = docker, units

    def containers(self, *projects: str) -> list[Container]:
        """Return containers and units of projects."""
        containers = self.docker.containers(*projects) if self.docker.program else []
        return [*containers, *self.units.containers(*projects)]

    def up(self, project: Project, services: Sequence[str] = ()) -> None:
        """Bring a project, or some of its services, to what its files say."""
        self._of(project).up(project, services)

    def renew(self, project: Project, services: Sequence[str]) -> None:
        """Start services anew, and touch no other."""
        self._of(project).renew(project, services)

    def down(self, name: str) -> None:
        """Remove a project, whatever it is made of."""
        self.units.down(name)
        if self.docker.program:
            self.docker.down(name)

    def stop(self, *containers: str) -> None:
        """Stop containers and units."""
        for services, names in self._by_kind(containers):
            services.stop(*names)

    def start(self, *containers: str) -> None:
        """Start containers and units that have stopped."""
        for services, names in self._by_kind(containers):
            services.start(*names)

    def once(self, project: Project, service: str, timeout: float) -> tuple[int | None, str]:
        """Run a service to its end; returns its exit code, None where it was stopped after ``timeout``, and its log."""
        return self._of(project).once(project, service, timeout)

    def check(self, container: Container, timeout: float) -> tuple[int, str]:
        """Run a health command; returns its exit code and what it said. Raises TimeoutExpired."""
        return self._named(container.name).check(container, timeout)

    def logs(self, container: str, secrets: Sequence[str]) -> list[str]:
        """Return the last lines of a log."""
        return self._named(container).logs(container, secrets)

    def _of(self, project: Project) -> Services:
        return self.docker if project.files else self.units

    def _named(self, name: str) -> Services:
        return self.units if Units.is_unit(name) else self.docker

    def _by_kind(self, names: Sequence[str]) -> list[tuple[Services, list[str]]]:
        """Return who runs what. A container's name has no dot in it, a unit's ends in one and its kind."""
        units = [name for name in names if Units.is_unit(name)]
        containers = [name for name in names if not Units.is_unit(name)]
        pairs: list[tuple[Services, list[str]]] = [(self.units, units), (self.docker, containers)]
        return [(services, some) for services, some in pairs if some]

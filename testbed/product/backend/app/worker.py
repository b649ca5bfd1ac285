# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens behind the scenes: a summary of each new snippet, a count every minute, tokens for lost passwords."""

from __future__ import annotations

import hashlib
import logging
import secrets
from functools import cache
from typing import Any

from celery import Celery

from app.settings import load_settings
from app.stores import Stores, now

COUNT_EVERY = 60.0
RESET_VALID = 3600
log = logging.getLogger(__name__)
settings = load_settings()
app = Celery("snippetly", broker=settings.redis_url)
app.conf.update(
    task_ignore_result=True,
    # A worker that dies hands its task to another; every task can be done twice.
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 120},
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    beat_schedule={"count": {"task": "app.worker.count", "schedule": COUNT_EVERY}},
)


@cache
def stores() -> Stores:
    """Return this process's databases: the worker forks, and connections do not survive that."""
    return Stores(settings)


def summary_of(code: str, language: str) -> dict[str, Any]:
    """Return what there is to say about a snippet: ``{"language": "python", "lines": 2, "blank": 0, "bytes": 30}``."""
    lines = code.splitlines()
    return {
        "language": language.strip().lower() or "text",
        "lines": len(lines),
        "blank": sum(not line.strip() for line in lines),
        "bytes": len(code.encode()),
    }


@app.task(name="app.worker.summarise", autoretry_for=(Exception,), retry_backoff=True, max_retries=8)
def summarise(snippet_id: str) -> None:
    """Read a snippet and put its summary on it."""
    snippet = stores().snippets.get(snippet_id)
    if snippet is None:
        log.warning("snippet %s is gone", snippet_id)
        return
    stores().snippets.summarise(snippet_id, summary_of(snippet["code"], snippet["language"]))
    stores().forget_list(snippet["user_id"])


@app.task(name="app.worker.count")
def count() -> None:
    """Count all snippets, for /api/v1/stats."""
    stores().redis.hset("stats", mapping={"snippets": stores().snippets.count(), "counted_at": now()})


@app.task(name="app.worker.password_reset")
def password_reset(email: str) -> None:
    """Keep the hash of a token for one hour. Sending it is left to a mail service, which this product has none of."""
    with stores().postgres.connection() as connection:
        user = connection.execute("SELECT id FROM users WHERE email = %s", (email,)).fetchone()
    if user:
        digest = hashlib.sha256(secrets.token_urlsafe(32).encode()).hexdigest()
        stores().redis.set(f"reset:{digest}", str(user["id"]), ex=RESET_VALID)
        log.info("a password reset was prepared for user %s", user["id"])

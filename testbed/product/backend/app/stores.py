# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases: users in PostgreSQL, snippets in MongoDB (or PostgreSQL), cache and log-outs in Redis."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Any, Protocol

import redis
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool
from pymongo import DESCENDING, MongoClient

from app.settings import Settings

Document = dict[str, Any]
TIMEOUT = 2  # seconds that a database has to answer
PATIENCE = 3  # seconds that a health check waits for all of them
LISTED = 50


class Snippets(Protocol):
    """Where snippets are kept. Documents hold id, user_id, title, language, code, created_at and, later, summary."""

    def add(self, snippet: Document) -> None:
        """Keep a new one."""

    def get(self, snippet_id: str) -> Document | None:
        """Return one, or None."""

    def newest(self, user_id: str) -> list[Document]:
        """Return a user's, newest first."""

    def summarise(self, snippet_id: str, summary: Document) -> None:
        """Put the worker's summary on one."""

    def count(self) -> int:
        """Return how many there are."""


class MongoSnippets:
    """In MongoDB, one document each."""

    def __init__(self, client: MongoClient[Document]) -> None:
        self._snippets = client.get_default_database("snippetly")["snippets"]

    def add(self, snippet: Document) -> None:
        """Keep a new one."""
        self._snippets.insert_one({"_id": snippet["id"], **snippet})

    def get(self, snippet_id: str) -> Document | None:
        """Return one, or None."""
        return self._snippets.find_one({"_id": snippet_id}, {"_id": 0})

    def newest(self, user_id: str) -> list[Document]:
        """Return a user's, newest first."""
        found = self._snippets.find({"user_id": user_id}, {"_id": 0})
        return list(found.sort("created_at", DESCENDING).limit(LISTED))

    def summarise(self, snippet_id: str, summary: Document) -> None:
        """Put the worker's summary on one."""
        self._snippets.update_one({"_id": snippet_id}, {"$set": {"summary": summary}})

    def count(self) -> int:
        """Return how many there are."""
        return self._snippets.count_documents({})


class PostgresSnippets:
    """In a table of PostgreSQL, where there is no MongoDB."""

    def __init__(self, pool: ConnectionPool[Any]) -> None:
        self._pool = pool

    def add(self, snippet: Document) -> None:
        """Keep a new one."""
        with self._pool.connection() as connection:
            connection.execute(
                "INSERT INTO snippets (id, user_id, created_at, document) VALUES (%s, %s, %s, %s)",
                (snippet["id"], snippet["user_id"], snippet["created_at"], Jsonb(snippet)),
            )

    def get(self, snippet_id: str) -> Document | None:
        """Return one, or None."""
        with self._pool.connection() as connection:
            row = connection.execute("SELECT document FROM snippets WHERE id = %s", (snippet_id,)).fetchone()
        return row["document"] if row else None

    def newest(self, user_id: str) -> list[Document]:
        """Return a user's, newest first."""
        query = "SELECT document FROM snippets WHERE user_id = %s ORDER BY created_at DESC LIMIT %s"
        with self._pool.connection() as connection:
            return [row["document"] for row in connection.execute(query, (user_id, LISTED))]

    def summarise(self, snippet_id: str, summary: Document) -> None:
        """Put the worker's summary on one."""
        with self._pool.connection() as connection:
            connection.execute(
                "UPDATE snippets SET document = document || %s WHERE id = %s", (Jsonb({"summary": summary}), snippet_id)
            )

    def count(self) -> int:
        """Return how many there are."""
        with self._pool.connection() as connection:
            return int(connection.execute("SELECT count(*) AS n FROM snippets").fetchone()["n"])


class Stores:
    """All databases of one process. Connects when first asked, and again after a database was away."""

    def __init__(self, settings: Settings) -> None:
        self.postgres: ConnectionPool[Any] = ConnectionPool(
            settings.database_url,
            min_size=0,
            max_size=8,
            timeout=TIMEOUT,
            open=True,
            check=ConnectionPool.check_connection,
            kwargs={"row_factory": dict_row, "connect_timeout": TIMEOUT},
        )
        self.redis = redis.Redis.from_url(
            settings.redis_url, decode_responses=True, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT
        )
        self.snippets: Snippets = PostgresSnippets(self.postgres)
        self._probes: dict[str, Callable[[], object]] = {"postgres": self._ask_postgres, "redis": self.redis.ping}
        if settings.mongo_url:
            client: MongoClient[Document] = MongoClient(
                settings.mongo_url,
                serverSelectionTimeoutMS=TIMEOUT * 1000,
                connectTimeoutMS=TIMEOUT * 1000,
                maxPoolSize=8,
            )
            self.snippets = MongoSnippets(client)
            # A ping is answered before the password is looked at; a list of collections is not.
            self._probes["mongo"] = client.get_default_database("snippetly").list_collection_names
        self._answers: dict[str, Future[object]] = {}
        self._threads = ThreadPoolExecutor(len(self._probes), thread_name_prefix="health")

    def health(self) -> dict[str, str]:
        """Ask every database something that it must know a client for. Returns ``ok`` or what is wrong, by name."""
        answers = {name: self._asked(name) for name in self._probes}
        wait(answers.values(), timeout=PATIENCE)
        return {name: outcome(answer) for name, answer in answers.items()}

    def _asked(self, name: str) -> Future[object]:
        # One question at a time: those to a database that has gone away take long to fail.
        answer = self._answers.get(name)
        if answer is None or answer.done():
            answer = self._answers[name] = self._threads.submit(self._probes[name])
        return answer

    def _ask_postgres(self) -> None:
        with self.postgres.connection() as connection:
            connection.execute("SELECT id FROM users LIMIT 1")

    # What follows is kept in Redis.

    def cached_list(self, user_id: str) -> list[Document] | None:
        """Return a user's list as it was cached, or None."""
        cached = self.redis.get(f"list:{user_id}")
        return json.loads(cached) if cached else None

    def cache_list(self, user_id: str, snippets: list[Document]) -> None:
        """Keep a user's list for half a minute."""
        self.redis.set(f"list:{user_id}", json.dumps(snippets), ex=30)

    def forget_list(self, user_id: str) -> None:
        """The list has changed."""
        self.redis.delete(f"list:{user_id}")

    def end_session(self, session: str, seconds: int) -> None:
        """Refuse a session's token for as long as it would have been good."""
        self.redis.set(f"ended:{session}", 1, ex=max(seconds, 1))

    def session_ended(self, session: str) -> bool:
        """Whether somebody has logged out of it."""
        return bool(self.redis.exists(f"ended:{session}"))


def outcome(answer: Future[object]) -> str:
    """Return ``ok``, or what is wrong with the database that was asked."""
    if not answer.done():
        return f"no answer in {PATIENCE} s"
    error = answer.exception()
    return type(error).__name__ if error else "ok"


def now() -> str:
    """Return the time as documents hold it."""
    return datetime.now(UTC).isoformat()

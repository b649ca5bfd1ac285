# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases: users in PostgreSQL, snippets in MongoDB (or PostgreSQL), cache and log-outs in Redis."""

from __future__ import annotations

import json
from collections.abc import Callable
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
        self._mongo: MongoClient[Document] | None = None
        if settings.mongo_url:
            milliseconds = TIMEOUT * 1000
            self._mongo = MongoClient(
                settings.mongo_url, serverSelectionTimeoutMS=milliseconds, connectTimeoutMS=milliseconds, maxPoolSize=8
            )
        self.snippets: Snippets = MongoSnippets(self._mongo) if self._mongo else PostgresSnippets(self.postgres)

    def health(self) -> dict[str, str]:
        """Ask every database something that it must know a client for. Returns ``ok`` or what is wrong, by name."""
        probes: dict[str, Callable[[], object]] = {"postgres": self._ask_postgres, "redis": self.redis.ping}
        if self._mongo:
            # A ping is answered before the password is looked at; a list of collections is not.
            probes["mongo"] = self._mongo.get_default_database("snippetly").list_collection_names
        answers = {}
        for name, probe in probes.items():
            try:
                probe()
                answers[name] = "ok"
            except Exception as error:  # a driver may fail in any way: the answer is that it did
                answers[name] = type(error).__name__
        return answers

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


def now() -> str:
    """Return the time as documents hold it."""
    return datetime.now(UTC).isoformat()

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the schema to what this release needs: ``python -m app.migrate``. All of it or nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg

from app.settings import load_release, load_settings

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"
# Any number will do; two migrations at a time must not.
LOCK = 7_216_001


def migrate(connection: psycopg.Connection[tuple[str]], wanted: tuple[str, ...]) -> list[str]:
    """Apply what is missing in one transaction and return its names. Migrations of later releases are left alone."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS schema_versions"
            " (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        applied = {name for (name,) in connection.execute("SELECT name FROM schema_versions")}
        missing = [name for name in wanted if name not in applied]
        for name in missing:
            print(f"migrate: applying {name}", flush=True)
            connection.execute((MIGRATIONS / f"{name}.sql").read_bytes())
            connection.execute("INSERT INTO schema_versions (name) VALUES (%s)", (name,))
    return missing


def main() -> int:
    """Return the exit status."""
    release, settings = load_release(), load_settings()
    try:
        with psycopg.connect(settings.database_url, connect_timeout=10) as connection:
            done = migrate(connection, release.migrations)
    except psycopg.Error as error:
        print(f"migrate: failed, nothing was changed: {error}".rstrip(), file=sys.stderr, flush=True)
        return 1
    print(f"migrate: {release.release}: " + (f"applied {', '.join(done)}" if done else "nothing to do"), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

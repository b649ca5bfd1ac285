# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a restore of PostgreSQL needs beside the archive: room for it, and the roles of which it speaks. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

# pg_restore's COMMIT is in the last few lines of its text.
HELD_BACK = 1 << 16

# Empties the database inside of the restore's transaction: `--clean` alone drops nothing on which something depends
# that came after the backup. What the user does not own stays, as an administrator's extension does. The schema public
# stays with its privileges, and is made where it is gone: pg_dump takes it for granted.
CLEAR = r"""
DO $$
DECLARE
  part text;
BEGIN
  FOR part IN SELECT pg_catalog.format('DROP EXTENSION IF EXISTS %I CASCADE', extname) FROM pg_catalog.pg_extension
      WHERE oid >= 16384 AND pg_catalog.pg_has_role(extowner, 'USAGE') LOOP
    EXECUTE part;
  END LOOP;
  FOR part IN SELECT pg_catalog.format('DROP SCHEMA IF EXISTS %I CASCADE', n.nspname) FROM pg_catalog.pg_namespace n
      WHERE n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public')
        AND pg_catalog.pg_has_role(n.nspowner, 'USAGE')
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_extension e WHERE e.extnamespace = n.oid)
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
          WHERE d.classid = 'pg_catalog.pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e') LOOP
    EXECUTE part;
  END LOOP;
  FOREACH part IN ARRAY ARRAY(
      SELECT pg_catalog.format('DROP %s IF EXISTS %s CASCADE',
        CASE o.type WHEN 'statistics object' THEN 'STATISTICS' ELSE o.type END, o.identity)
      FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_namespace n ON n.oid = d.refobjid,
        LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, 0) o
      WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.deptype = 'n' AND d.objsubid = 0
        AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND d.classid <> 'pg_catalog.pg_extension'::regclass
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend i
          WHERE i.classid = d.classid AND i.objid = d.objid AND i.deptype IN ('e', 'i'))) LOOP
    EXECUTE part;
  END LOOP;
  IF pg_catalog.to_regnamespace('public') IS NULL THEN
    CREATE SCHEMA public;
    COMMENT ON SCHEMA public IS 'standard public schema';
    GRANT USAGE ON SCHEMA public TO PUBLIC;
    IF pg_catalog.to_regrole('pg_database_owner') IS NOT NULL THEN
      ALTER SCHEMA public OWNER TO pg_database_owner;
    END IF;
  END IF;
END $$;
"""
# Ahead of pg_restore's text, which brings its own BEGIN and COMMIT.
AHEAD = f"SET client_min_messages = error; SET statement_timeout = 0; SET lock_timeout = '60s'; BEGIN;\n{CLEAR}"

_HEADER = re.compile(
    r"-- (?:Data for )?Name: .*; Type: (?P<type>[A-Z ]+); Schema: .*; Owner: (?P<owner>.+?)(?:; Tablespace: .*)?"
)
_GRANTS = ("ACL", "DEFAULT ACL", "POLICY")
_SPEAKS = ("GRANT ", "REVOKE ", "ALTER DEFAULT PRIVILEGES ", "CREATE POLICY ", "SET SESSION AUTHORIZATION ")
_PART = re.compile(r'"(?:[^"]|"")*"|[^\s",;()]+|,')
# Behind these comes a role.
_WORDS = ("TO", "FROM", "ROLE", "GROUP", "AUTHORIZATION", "BY")
_NO_ROLES = ("GROUP", "PUBLIC", "DEFAULT", "CURRENT_USER", "SESSION_USER")


class Roles:
    """Collects the roles that pg_restore's text names as owners and in grants: ``take`` each of its lines.

    Only comments of its own form are believed, for the body of a function may hold anything.
    """

    def __init__(self) -> None:
        self._found: set[str] = set()
        self._section = ""
        self._older, self._old = "", ""

    def take(self, line: str) -> None:
        """Take the next line, without its end."""
        if line == "--":
            if self._older == "--" and (match := _HEADER.fullmatch(self._old)):
                self._found.add(match["owner"])
                self._section = match["type"]
        elif self._section in _GRANTS and line.startswith(_SPEAKS):
            self._found.update(_named(line))
        self._older, self._old = self._old, line

    @property
    def names(self) -> list[str]:
        """Those found so far, less those that every server has."""
        return sorted(name for name in self._found if name != "-" and not name.startswith("pg_"))


def roles(lines: Iterable[str]) -> list[str]:
    """The roles that pg_restore's text without data names as owners and in grants, less those that every server has."""
    found = Roles()
    for line in lines:
        found.take(line)
    return found.names


def _named(statement: str) -> Iterator[str]:
    before, listing = "", False
    for word in _PART.findall(statement):
        # What follows in a policy is an expression.
        if word in ("USING", "WITH"):
            return
        if before in _WORDS or (before == "," and listing):
            listing = True
            if word not in _NO_ROLES:
                yield word[1:-1].replace('""', '"') if word.startswith('"') else word
        elif word != ",":
            listing = False
        before = word


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def begin(roles: Iterable[str]) -> str:
    """What goes ahead of pg_restore's text: room, and the roles that are missing. They cannot log in."""
    return AHEAD + "".join(f"CREATE ROLE {quoted(name)} NOLOGIN;\n" for name in roles)


def made(roles: Sequence[str]) -> list[str]:
    """What the operator should know of the roles that were missing."""
    if not roles:
        return []
    names = f"role{'s' if len(roles) > 1 else ''} {', '.join(roles)}"
    return [
        f"{names} had to be made, for the backup names what is theirs and no backup has roles: they have neither login "
        "nor password nor memberships (ALTER ROLE … LOGIN PASSWORD …, GRANT …)"
    ]


def pour(chunks: Iterable[bytes], client: IO[bytes]) -> bytes:
    """Hand pg_restore's text on, less its end, which commits. Returns that: it is written once all else is proven."""
    held = b""
    for chunk in chunks:
        held += chunk
        client.write(held[:-HELD_BACK])
        held = held[-HELD_BACK:]
    return held

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import pg_text
from hypothesis import given
from hypothesis import strategies as st

# What pg_restore 15.18 and later print, shortened.
TEXT = r"""--
-- PostgreSQL database dump
--

\restrict 7kBLoXm0WzJhQ2F5tq

SET statement_timeout = 0;

--
-- Name: f(); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.f() RETURNS void
    LANGUAGE plpgsql
    AS $$ begin
COPY public.users (id, name) FROM stdin;
end $$;

--
-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.users (id, name) FROM stdin;
1	a
2	\\.
3	c\nd
\.


--
-- Data for Name: empty; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.empty (id) FROM stdin;
\.


--
-- Data for Name: a "b (c. d; Type: TABLE DATA; Schema: My Schema; Owner: postgres
--

COPY "My Schema"."a ""b (c. d" (x) FROM stdin;
\N
\.


--
-- Data for Name: nocols; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.nocols  FROM stdin;


\.


--
-- PostgreSQL database dump complete
--

\unrestrict 7kBLoXm0WzJhQ2F5tq
"""
COUNTS = {"public.users": 3, "public.empty": 0, '"My Schema"."a ""b (c. d"': 1, "public.nocols": 2}


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


WHOLE = pg_text.read([TEXT.encode()])


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 64, 1 << 20])
def test_counts_and_digest_do_not_depend_on_how_the_text_arrives(size: int) -> None:
    text = pg_text.read(cut(TEXT.encode(), size))
    assert text.counts == COUNTS
    assert text.sha256 == WHOLE.sha256
    assert text.tables == WHOLE.tables
    assert set(text.tables) == set(COUNTS)


def test_the_random_word_is_not_part_of_the_digest() -> None:
    other = pg_text.read([TEXT.replace("7kBLoXm0WzJhQ2F5tq", "another").encode()])
    assert other.sha256 == WHOLE.sha256


def test_each_table_has_a_digest_of_its_rows() -> None:
    other = pg_text.read([TEXT.replace("3\tc", "3\td").replace("SET statement_timeout = 0;", "").encode()])
    assert {name for name in COUNTS if other.tables[name] != WHOLE.tables[name]} == {"public.users"}


@pytest.mark.parametrize("old", ["SET statement_timeout = 0;", "3\tc", "FUNCTION public.f()"])
def test_everything_else_is(old: str) -> None:
    assert pg_text.read([TEXT.replace(old, old[:-1] + "#").encode()]).sha256 != WHOLE.sha256


def test_data_without_an_end_is_an_error() -> None:
    with pytest.raises(pg_text.DecodeError, match=r"public\.users"):
        pg_text.read([TEXT[: TEXT.index("3\tc")].encode()])


def test_lines_longer_than_memory_should_hold() -> None:
    row = b"x" * (3 << 20)
    text = TEXT.encode().replace(b"1\ta\n", b"1\t" + row + b"\n").replace(b"SET ", b"SET " + row)
    reader = pg_text.RestoreText()
    for chunk in cut(text, 1 << 16):
        reader.feed(chunk)
        assert len(reader._rest) <= pg_text.MAX_LINE + (1 << 16)
    reader.finish()
    assert reader.counts == COUNTS


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\\"), max_size=30)


@given(st.lists(cells, max_size=30), st.integers(1, 50))
def test_any_rows_are_counted(rows: list[str], size: int) -> None:
    body = "".join(f"{row}\n" for row in rows)
    text = f"-- Data for Name: t; Type: TABLE DATA; Schema: s; Owner: o\n--\n\nCOPY s.t (x) FROM stdin;\n{body}\\.\n"
    assert pg_text.read(cut(text.encode(), size)).counts == {"s.t": len(rows)}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"COPY public.users (id) FROM stdin;\n", "public.users"),
        (b'COPY public."select" (id) FROM stdin;\n', "public.select"),
        (b'COPY "A"."b.c" (id) FROM stdin;\n', '"A"."b.c"'),
        ('COPY public."ümlaut" (id) FROM stdin;\n'.encode(), 'public."ümlaut"'),
        (b'COPY public."it\'s ""x""" (id) FROM stdin;\n', 'public."it\'s ""x"""'),
    ],
)
def test_names_of_tables(line: bytes, name: str) -> None:
    assert pg_text.copied_table(line) == name


@pytest.mark.parametrize(
    "line", [b"COPY users FROM stdin;\n", b'COPY "open.users FROM stdin;\n', b"COPY  FROM stdin;\n"]
)
def test_no_names_of_tables(line: bytes) -> None:
    with pytest.raises(pg_text.DecodeError):
        pg_text.copied_table(line)


def test_the_roles_that_it_names() -> None:
    """What looks like it in data is not believed."""
    end = "--\n-- PostgreSQL database dump complete"
    header = "--\n-- Name: {}; Type: {}; Schema: public; Owner: {}\n--\n\n".format
    text = TEXT.replace(end, f"{header('TABLE users', 'ACL', 'clerk')}GRANT ALL ON TABLE users TO seer;\n\n{end}")
    text = text.replace("1\ta\n", f"1\ta\n{header('x', 'TABLE', 'nobody')}")
    assert text.count("nobody") == text.count("seer") == 1
    for size in (7, 1 << 20):
        assert pg_text.read(cut(text.encode(), size)).roles == ["clerk", "postgres", "seer"]

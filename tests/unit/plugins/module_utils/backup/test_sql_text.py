# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import random
import time

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.backup import sql_text
from ansible_collections.mainstay.platform.plugins.module_utils.backup.sql_text import DumpError
from hypothesis import given
from hypothesis import strategies as st

HEAD = "-- MariaDB dump 10.19-11.8.6-MariaDB, for debian-linux-gnu (x86_64)\n--\n-- Server version\t11.8.6-MariaDB\n\n"
TAIL = "\n-- Dump completed on 2026-11-21  7:17:27\n"


def table(name: str, *inserts: str) -> str:
    quoted = "`" + name.replace("`", "``") + "`"
    return (
        f"--\n-- Table structure for table {quoted}\n--\n\nCREATE TABLE {quoted} (\n  `i` int\n);\n\n"
        f"--\n-- Dumping data for table {quoted}\n--\n\nLOCK TABLES {quoted} WRITE;\n"
        + "".join(f"INSERT INTO {quoted} {text};\n" for text in inserts)
        + "UNLOCK TABLES;\n"
    )


def read(text: str | bytes, size: int = 0) -> sql_text.DumpText:
    data = text.encode() if isinstance(text, str) else text
    size = size or len(data) or 1
    return sql_text.read(data[at : at + size] for at in range(0, len(data), size))


CASES = [
    pytest.param(table("t", "VALUES (1,'a'),(2,'b')"), {"t": 2}, id="all rows on one line, as MySQL writes them"),
    pytest.param(table("t", "VALUES\n(1,'a'),\n(2,'b')"), {"t": 2}, id="a row a line, as MariaDB writes them"),
    pytest.param(table("t"), {"t": 0}, id="no rows"),
    pytest.param(table("t", "VALUES (1)", "VALUES (2),(3)"), {"t": 3}, id="several statements"),
    pytest.param(table("t", r"VALUES (1,'it\'s (a),(b);'),(2,'\\'),(3,'\\\'(')"), {"t": 3}, id="quotes and brackets"),
    pytest.param(table("t", r"VALUES ('\n(1),(2);\n')"), {"t": 1}, id="an escaped line break"),
    pytest.param(table("t", "VALUES (''),(NULL),(0x2827,-1.5e3,_binary '(')"), {"t": 3}, id="other values"),
    pytest.param(table("t", "(`a`, `b(c``d`) VALUES (1,2),(3,4)"), {"t": 2}, id="a list of columns"),
    pytest.param(table("a `b (c", "VALUES (1)") + table("ü x", "VALUES (1),(2)"), {"a `b (c": 1, "ü x": 2}, id="names"),
    pytest.param(
        table("t", "VALUES (1)") + "DELIMITER ;;\nCREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW BEGIN\n"
        "INSERT INTO `t` VALUES (1),(2);\nEND ;;\n",
        {"t": 1},
        id="the body of a trigger is no data",
    ),
    pytest.param(
        table("t", "VALUES (1)")
        + "CREATE PROCEDURE p() BEGIN\n-- Dumping data for table `t`\nINSERT INTO t VALUES (1);\nEND\n",
        {"t": 1},
        id="a comment in the body of a procedure",
    ),
    pytest.param(table("t", "VALUES (1)").replace("INTO `t`", "INTO `u`"), {"t": 0}, id="rows of another table"),
]


@pytest.mark.parametrize(("body", "counts"), CASES)
@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 17, 64])
def test_rows_are_counted_wherever_the_pieces_end(body: str, counts: dict[str, int], size: int) -> None:
    text = read(HEAD + body + TAIL, size)
    assert text.counts == counts
    assert text.tables == read(HEAD + body + TAIL).tables
    assert text.completed
    assert text.tool == "MariaDB dump 10.19-11.8.6-MariaDB, for debian-linux-gnu (x86_64)"
    assert text.server == "11.8.6-MariaDB"


def escaped(value: str) -> str:
    """As mysql_real_escape_string does."""
    special = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\0": "\\0", "\x1a": "\\Z"}
    return "'" + "".join(special.get(letter, letter) for letter in value) + "'"


STRINGS = st.text(st.sampled_from("a\\'\"();,\n`-"), max_size=12)


@given(st.lists(st.lists(STRINGS, min_size=1, max_size=3), min_size=1, max_size=8), st.integers(1, 40), st.booleans())
def test_any_strings(rows: list[list[str]], size: int, lines: bool) -> None:
    values = (",\n" if lines else ",").join(f"({','.join(map(escaped, row))})" for row in rows)
    assert read(HEAD + table("t", "VALUES " + values) + TAIL, size).counts == {"t": len(rows)}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param(HEAD + table("t", "VALUES (1)"), "it was cut short", id="no last line"),
        pytest.param(HEAD + table("t", "VALUES (1)")[:-20], "it was cut short", id="cut in a line"),
        pytest.param(HEAD + table("t", "VALUES (1),(2)")[:-19], "it was cut short", id="cut in the rows"),
        pytest.param(HEAD + TAIL[:-1], "it was cut short", id="cut by a byte"),
        pytest.param(HEAD + TAIL + HEAD + TAIL, "something behind its last line", id="twice"),
        pytest.param(HEAD + table("t", "VALUES ('a)") + TAIL, "string without an end", id="a quote is gone"),
        pytest.param(HEAD + table("t", "VALUFS (1)") + TAIL, "no rows", id="no rows where there should be"),
    ],
)
def test_what_is_no_whole_dump(text: str, error: str) -> None:
    for size in (0, 1, 7):
        with pytest.raises(DumpError, match=error):
            read(text, size)


def test_each_table_has_a_digest_of_its_rows() -> None:
    one, two = (read(HEAD + table("t", f"VALUES ({n},'a')") + table("u", "VALUES (1)") + TAIL).tables for n in (1, 2))
    assert one["t"] != two["t"]
    assert one["u"] == two["u"]


def test_a_dump_without_comments_is_not_judged() -> None:
    text = read("INSERT INTO `t` VALUES (1);\n")
    assert (text.tool, text.counts, text.completed) == (None, {}, False)


def test_a_line_break_in_a_name_leaves_the_rows_uncounted() -> None:
    assert read(HEAD + "-- Dumping data for table `a\n-- b`\n" + TAIL).counts is None


def test_time_is_linear_whatever_is_flipped() -> None:
    """A pattern that backtracks would take minutes here."""
    row = "(1,'" + "x\\'" * 20000 + "'),"
    good = (HEAD + table("t", "VALUES " + row * 40 + "(2)") + TAIL).encode()
    dice = random.Random(1)
    begin = time.perf_counter()
    read(good, 1 << 18)
    allowed = 20 * (time.perf_counter() - begin) + 1
    for _attempt in range(20):
        at = dice.randrange(len(good))
        begin = time.perf_counter()
        with contextlib.suppress(DumpError):
            read(good[:at] + b"'" + good[at + 1 :], 1 << 18)
        assert time.perf_counter() - begin < allowed

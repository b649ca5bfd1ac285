# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import itertools

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.blob import plan
from ansible_collections.mainstay.platform.plugins.module_utils.blob.plan import MIB, Block, Fingerprint
from hypothesis import given
from hypothesis import strategies as st

GIB = 1024 * MIB
MD5 = hashlib.md5(b"x").digest()
DIGEST = "md5tree-8388608-" + 64 * "a"


@pytest.mark.parametrize(
    ("size", "wanted", "expected"),
    [
        pytest.param(0, 8 * MIB, 8 * MIB, id="empty"),
        pytest.param(300 * MIB, 8 * MIB, 8 * MIB, id="small file keeps the wish"),
        pytest.param(50_000 * 8 * MIB, 8 * MIB, 8 * MIB, id="exactly 50,000 blocks"),
        pytest.param(50_000 * 8 * MIB + 1, 8 * MIB, 9 * MIB, id="one byte more"),
        pytest.param(10 * 1024 * GIB, 8 * MIB, 210 * MIB, id="10 TiB"),
        pytest.param(plan.MAX_SIZE, 8 * MIB, plan.MAX_BLOCK, id="the service's limit"),
    ],
)
def test_block_size_for(size: int, wanted: int, expected: int) -> None:
    chosen = plan.block_size_for(size, wanted)
    assert chosen == expected
    assert -(-size // chosen) <= plan.MAX_BLOCKS


def test_block_size_beyond_the_limit() -> None:
    with pytest.raises(ValueError, match="more than one blob can hold"):
        plan.block_size_for(plan.MAX_SIZE + 1, 8 * MIB)


@given(st.integers(0, 5000), st.integers(1, 700))
def test_blocks_cover_the_file_once(size: int, block_size: int) -> None:
    found = list(plan.blocks(size, block_size))
    assert [b.index for b in found] == list(range(len(found)))
    assert sum(b.size for b in found) == size
    assert all(a.offset + a.size == b.offset for a, b in itertools.pairwise(found))
    assert all(0 < b.size <= block_size for b in found)


@pytest.mark.parametrize("length", [5, 9, 18, 24, 36, 48, 64])
def test_block_ids_have_one_length(length: int) -> None:
    assert {len(plan.block_id(Block(index, 0, 1), MD5, length)) for index in (0, 7, 49_999)} == {length}


@pytest.mark.parametrize(
    ("count", "most", "concurrency", "expected"),
    [
        pytest.param(0, 8, 4, [], id="nothing"),
        pytest.param(3, 8, 4, [1, 1, 1], id="few-blocks"),
        pytest.param(64, 8, 4, [4] * 16, id="four-requests-for-each-connection"),
        pytest.param(1000, 8, 4, [8] * 125, id="never-more-than-asked-for"),
        pytest.param(67, 8, 4, [4] * 16 + [3], id="a-rest"),
        pytest.param(64, 0, 4, [1] * 64, id="blocks-larger-than-a-span"),
    ],
)
def test_spans(count: int, most: int, concurrency: int, expected: list[int]) -> None:
    pieces = list(plan.blocks(count * MIB, MIB))
    spans = list(plan.spans(pieces, most, concurrency))
    assert [len(span) for span in spans] == expected
    assert [block for span in spans for block in span] == pieces


def test_block_ids_are_deterministic_and_tell_blocks_apart() -> None:
    name = plan.block_id(Block(3, 300, 100), MD5)
    assert name == plan.block_id(Block(3, 300, 100), MD5)
    assert name.startswith(b"00003")
    others = {
        plan.block_id(Block(4, 300, 100), MD5),
        plan.block_id(Block(3, 300, 101), MD5),
        plan.block_id(Block(3, 300, 100), hashlib.md5(b"y").digest()),
    }
    assert name not in others and len(others) == 3


@pytest.mark.parametrize("length", [0, 4, 65])
def test_block_id_of_impossible_length(length: int) -> None:
    with pytest.raises(ValueError, match="cannot hold a position"):
        plan.block_id(Block(0, 0, 1), MD5, length)


def test_id_lengths_try_what_was_seen_first_and_everything_once() -> None:
    lengths = plan.id_lengths([33])
    assert lengths[0] == 33
    assert sorted(lengths) == list(range(5, 65))


def test_tree_digest_names_its_block_size() -> None:
    digest = plan.tree_digest([MD5, MD5], 100)
    assert digest == "md5tree-100-" + hashlib.sha256(MD5 + MD5).hexdigest()
    assert plan.digest_block_size(digest) == 100


@pytest.mark.parametrize("digest", [None, "", "md5tree-0-" + 64 * "a", "sha256-1-" + 64 * "a", DIGEST + "0"])
def test_foreign_digests_are_not_ours(digest: str | None) -> None:
    assert plan.digest_block_size(digest) is None


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(Fingerprint(5, 7, DIGEST, sha256="ab"), id="all"),
        pytest.param(Fingerprint(5), id="size alone"),
    ],
)
def test_fingerprint_survives_the_store(kept: Fingerprint) -> None:
    stored = {key.title(): value for key, value in kept.metadata().items()}
    assert Fingerprint.of_metadata(999, stored) == kept


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param(None, id="none"),
        pytest.param({"other": "x"}, id="foreign"),
        pytest.param({"mainstay_size": "-1", "mainstay_mtime": "soon", "mainstay_digest": "md5"}, id="nonsense"),
    ],
)
def test_fingerprint_of_an_object_that_is_not_ours(metadata: dict[str, str] | None) -> None:
    assert Fingerprint.of_metadata(5, metadata, bytes(MD5)) == Fingerprint(5, md5=MD5)


LOCAL = Fingerprint(5, mtime=7)


@pytest.mark.parametrize(
    ("stored", "by", "expected"),
    [
        pytest.param(Fingerprint(6, 7, DIGEST), "quick", "different", id="other size"),
        pytest.param(Fingerprint(5, 7, DIGEST), "quick", "same", id="same size and time"),
        pytest.param(Fingerprint(5, 7, DIGEST), "content", "digest", id="same time but content asked for"),
        pytest.param(Fingerprint(5, 8, DIGEST), "quick", "digest", id="touched"),
        pytest.param(Fingerprint(5, md5=MD5), "quick", "md5", id="by another client"),
        pytest.param(Fingerprint(5, sha256="ab"), "quick", "sha256", id="only a hash of ours"),
        pytest.param(Fingerprint(5), "quick", "different", id="nothing to compare by"),
    ],
)
def test_compare(stored: Fingerprint, by: str, expected: str) -> None:
    assert plan.compare(LOCAL, stored, by) == expected


def test_part_names_can_be_read_back() -> None:
    name = plan.part_name("a/x.dump", "0123abcd", 0, 12)
    assert name == "a/x.dump.0123abcd.part-00001-of-00012"
    assert plan.split_part(name) == ("a/x.dump", "0123abcd")
    assert plan.split_index(name) is None
    assert plan.split_index(plan.index_name("a/x.dump", "0123abcd")) == ("a/x.dump", "0123abcd")


@pytest.mark.parametrize("name", ["x.dump", "x.part-1-of-2", "x.0123abcg.part-00001-of-00002", "x.parts.json"])
def test_other_names_are_no_parts(name: str) -> None:
    assert plan.split_part(name) is None and plan.split_index(name) is None


@pytest.mark.parametrize(
    ("metadata", "errors"),
    [
        pytest.param({"engine": "postgresql 17", "_a1": "x"}, [], id="good"),
        pytest.param(
            {"a-b": "x"},
            ["metadata.a-b: not a name for metadata (letters, digits and _, not starting with a digit)"],
            id="name",
        ),
        pytest.param(
            {"mainstay_size": "1"}, ["metadata.mainstay_size: names starting with mainstay_ are reserved"], id="ours"
        ),
        pytest.param(
            {"a": "grün", "b": " x", "c": "x\ny"},
            [
                "metadata.a: 'grün' is not a value for metadata (printable ASCII, no space at either end)",
                "metadata.b: ' x' is not a value for metadata (printable ASCII, no space at either end)",
                "metadata.c: 'x\\ny' is not a value for metadata (printable ASCII, no space at either end)",
            ],
            id="values, all at once",
        ),
    ],
)
def test_check_metadata(metadata: dict[str, str], errors: list[str]) -> None:
    assert plan.check_metadata(metadata) == errors

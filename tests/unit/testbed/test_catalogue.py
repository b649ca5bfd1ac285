# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
from pathlib import Path
from string import Template

import pytest

from testbed.images import catalogue
from testbed.images.catalogue import Image, ReleaseError, content_hash, contents, load_releases, page

TABLE = """
defaults: {title: Snippetly, latency: 0.05, healthy: true, crash_after: 0, migrations: [one]}
releases:
"""


def test_the_table_has_every_release_that_later_work_needs() -> None:
    releases = load_releases(catalogue.RELEASES.read_text())
    assert list(releases) == [
        "good-1", "good-2", "unhealthy", "never-ready", "crashing", "failing", "slow", "slower", "leaking",
        "bad-migration",
    ]  # fmt: skip


RELEASES = load_releases(catalogue.RELEASES.read_text())


@pytest.mark.parametrize(
    ("tag", "own"),
    [
        pytest.param("good-2", {"title", "migrations", "last_login"}, id="good-2: another title, a migration"),
        pytest.param("unhealthy", {"healthy"}, id="unhealthy"),
        pytest.param("never-ready", {"listen"}, id="never-ready"),
        pytest.param("crashing", {"crash_after"}, id="crashing"),
        pytest.param("failing", {"error_rate"}, id="failing"),
        pytest.param("slow", {"latency"}, id="slow"),
        pytest.param("slower", {"latency"}, id="slower"),
        pytest.param("leaking", {"leak"}, id="leaking"),
        pytest.param("bad-migration", {"migrations"}, id="bad-migration"),
    ],
)
def test_a_release_differs_from_good_1_in_nothing_but_its_own(tag: str, own: set[str]) -> None:
    good, other = RELEASES["good-1"], RELEASES[tag]
    assert {field for field in good if good[field] != other[field]} == {"release", *own}


def test_slower_is_slower_by_the_factor_it_is_meant_to_be() -> None:
    assert RELEASES["slower"]["latency"] == pytest.approx(1.6 * RELEASES["good-1"]["latency"])


def test_every_migration_that_a_release_names_is_there() -> None:
    named = {name for release in RELEASES.values() for name in release["migrations"]}
    assert named == {path.stem for path in (catalogue.PRODUCT / "backend/migrations").glob("*.sql")}


def test_the_fields_are_those_that_the_backend_reads() -> None:
    source = (catalogue.PRODUCT / "backend/app/settings.py").read_text()
    block = source.partition("class Release:")[2].partition("@dataclasses")[0]
    assert list(RELEASES["good-1"]) == re.findall(r"^    (\w+): ", block, re.MULTILINE)


def test_defaults_are_filled_in() -> None:
    loaded = load_releases(TABLE + "  a: {}\n  b: {title: Other, crash_after: 30}\n")
    same = {"latency": 0.05, "healthy": True, "migrations": ["one"]}
    assert loaded == {
        "a": {"release": "a", "title": "Snippetly", "crash_after": 0, **same},
        "b": {"release": "b", "title": "Other", "crash_after": 30, **same},
    }
    assert list(loaded["b"]) == ["release", "title", "latency", "healthy", "crash_after", "migrations"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(
            "  a: {lag: 1}\n",
            "releases.a.lag: no such field (there are: title, latency, healthy, crash_after, migrations)",
            id="unknown field",
        ),
        pytest.param(
            "  a: {latency: slow}\n",
            "releases.a.latency: 'slow' is not of type float, as its default is",
            id="wrong type",
        ),
        pytest.param(
            "  a: {crash_after: true}\n",
            "releases.a.crash_after: True is not of type int, as its default is",
            id="a boolean is no number",
        ),
        pytest.param(
            "  a: {healthy: 0}\n  b: {migrations: one}\n",
            "releases.a.healthy: 0 is not of type bool, as its default is\n"
            "releases.b.migrations: 'one' is not of type list, as its default is",
            id="all mistakes at once",
        ),
    ],
)
def test_a_wrong_table_is_refused(rows: str, message: str) -> None:
    with pytest.raises(ReleaseError) as error:
        load_releases(TABLE + rows)
    assert str(error.value) == message


def test_the_page_names_title_and_release() -> None:
    assert (
        page("<title>$title · $release</title>", RELEASES["good-2"]).decode() == "<title>Snippetly Two · good-2</title>"
    )


def test_the_page_needs_nothing_from_elsewhere_and_no_inline_code() -> None:
    """What `default-src 'self'` would refuse."""
    template = (catalogue.PRODUCT / "frontend/index.html").read_text()
    html = Template(template).substitute(title="T", release="r")
    assert not re.findall(r"""(?:src|href)=["'](?!/[^/])""", html)
    assert not re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html)


@pytest.fixture
def image(tmp_path: Path) -> Image:
    (tmp_path / "Dockerfile").write_text("FROM base\n")
    (tmp_path / "entry").write_text("#!/bin/sh\n")
    (tmp_path / "app").mkdir()
    (tmp_path / "app/main.py").write_text("print(1)\n")
    return Image("x:1", tmp_path / "Dockerfile", "base", {"entry": tmp_path / "entry", "app": tmp_path / "app"})


def changed(image: Image, path: str, text: str) -> None:
    folder = image.recipe.parent
    (folder / path).parent.mkdir(exist_ok=True)
    (folder / path).write_text(text)


@pytest.mark.parametrize(
    ("path", "text", "same"),
    [
        pytest.param("Dockerfile", "FROM other\n", False, id="the recipe"),
        pytest.param("entry", "#!/bin/bash\n", False, id="a file"),
        pytest.param("app/main.py", "print(2)\n", False, id="a file in a folder"),
        pytest.param("app/new.py", "", False, id="a new file in a folder"),
        pytest.param("app/__pycache__/main.pyc", "x", True, id="not what Python compiled"),
        pytest.param("entry", "#!/bin/sh\n", True, id="not the time of a file"),
        pytest.param("README", "x", True, id="not what the build does not see"),
    ],
)
def test_an_image_is_made_anew_when_its_content_changes(image: Image, path: str, text: str, same: bool) -> None:
    before = content_hash(image, "parent 1")
    changed(image, path, text)
    assert (content_hash(image, "parent 1") == before) is same


def test_an_image_is_made_anew_when_its_parent_was(image: Image) -> None:
    assert content_hash(image, "parent 1") != content_hash(image, "parent 2")


def test_an_image_is_made_anew_when_a_file_can_be_executed(image: Image) -> None:
    before = content_hash(image, "parent")
    (image.recipe.parent / "entry").chmod(0o755)
    assert content_hash(image, "parent") != before


def test_where_one_file_ends_and_the_next_begins_counts(image: Image) -> None:
    one = Image("x:1", image.recipe, "base", {"a": b"1", "b": b"2"})
    other = Image("x:1", image.recipe, "base", {"a": b"12", "b": b""})
    assert content_hash(one, "p") != content_hash(other, "p")


def test_contents_walks_folders(image: Image) -> None:
    changed(image, "app/__pycache__/main.pyc", "x")
    assert [(dest, content) for dest, content, _mode in contents({"z": b"last", **image.files})] == [
        ("app/main.py", b"print(1)\n"),
        ("entry", b"#!/bin/sh\n"),
        ("z", b"last"),
    ]


@pytest.mark.parametrize(
    ("programs", "names"),
    [
        pytest.param(Path("/programs"), ["postgres:17", "redis:8.0", "mongo:ferretdb-1.24.0"], id="with the programs"),
        pytest.param(None, ["postgres:17", "redis:8.0"], id="without them there is no MongoDB"),
    ],
)
def test_the_databases_have_the_names_of_docker_hub(programs: Path | None, names: list[str]) -> None:
    assert [image.mirror for image in catalogue.databases(programs) if image.mirror] == names


def test_every_release_is_one_small_file_over_what_all_share() -> None:
    images = {image.registry: image for image in catalogue.releases()}
    assert set(images) == {f"snippetly-{part}:{tag}" for part in ("frontend", "backend") for tag in RELEASES}
    for name, image in images.items():
        assert image.parent == f"mainstay/image/{name.partition(':')[0]}:base"
        assert image.name == f"mainstay/image/{name}"
        assert len(image.files) == 1
    assert json.loads(bytes(images["snippetly-backend:failing"].files["release.json"]))["error_rate"] == 0.06


def test_every_recipe_is_there() -> None:
    databases = [*catalogue.databases(Path("/programs")), *catalogue.other_databases()]
    shared = [*databases, *catalogue.backend_base(b""), catalogue.frontend_base()]
    images = [*shared, *catalogue.releases()]
    known = {catalogue.BASE, *(image.name for image in shared)}
    for image in images:
        assert image.recipe.read_text().count(f"FROM {image.parent}\n") == 1
        assert image.parent in known

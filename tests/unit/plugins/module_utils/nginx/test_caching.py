# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file names of a release are taken for fingerprinted: the patterns of the template, held against names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).resolve().parents[5] / "roles/nginx/templates/nginx.conf.j2"


def mapped(variable: str, value: str) -> str:
    """What a map of the template makes of a value: the first pattern that fits, else its default."""
    found = re.search(rf"map \S.* \${variable} \{{\n(.*?)\n    \}}", TEMPLATE.read_text(encoding="utf-8"), re.S)
    assert found
    entries = re.findall(r'^ +("~(?:[^"])*"|default) (.+);$', found[1], re.M)
    result = dict(entries)["default"]
    for pattern, said in entries:
        if pattern != "default" and re.search(pattern[2:-1], value, re.A):
            result = said
            break
    return str(result.strip('"'))


def kept(path: str) -> bool:
    said = mapped("mainstay_keep_file", path)
    assert said in ("no-cache", "public, max-age=31536000, immutable")
    return said != "no-cache"


NAMES = {
    "Create React App": ("/static/js/main.1a2b3c4d.js", True),
    "its map": ("/static/js/main.1a2b3c4d.js.map", True),
    "its chunk": ("/static/js/787.1a2b3c4d.chunk.js", True),
    "its licences": ("/static/js/main.1a2b3c4d.js.LICENSE.txt", True),
    "its picture": ("/static/media/logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg", True),
    "Vite": ("/assets/index-Ab12Cd34.css", True),
    "Vite, without a digit": ("/assets/index-DLwrgTda.js", True),
    "Vue": ("/js/chunk-vendors.1a2b3c4d.js", True),
    "Angular": ("/main-5VIKUQCE.js", True),
    "Next": ("/_next/static/chunks/main-1a2b3c4d5e6f7a8b.js", True),
    "Next, nothing but a hash": ("/_next/static/css/1a2b3c4d5e6f7a8b.css", True),
    "Nuxt": ("/_nuxt/entry.Xy98Zw76.js", True),
    "Django": ("/static/css/base.27e20196a850.css", True),
    "Rails": (f"/assets/application-{'0a' * 32}.js", True),
    "a page": ("/page.1a2b3c4d.html", False),
    "a page of another kind": ("/page-Ab12Cd34.xhtml", False),
    "a word of eight letters": ("/assets/application-carousel.js", False),
    "two words": ("/assets/icon-AppStore.svg", False),
    "a word and a number": ("/assets/bg-section2.jpg", False),
    "a capital, a word and a number": ("/assets/photo-Summer24.jpg", False),
    "a word in hexadecimal letters": ("/assets/logo-deadbeef.png", False),
    "a date": ("/reports/2026-20261121.pdf", False),
    "a year and a month": ("/assets/photo-2026July.jpg", False),
    "a camera's number": ("/photos/img-DSC02345.jpg", False),
    "a version": ("/js/jquery-3.7.1.min.js", False),
    "a UUID": ("/img/123e4567-e89b-12d3-a456-426614174000.png", False),
    "a path with a hash in its folder": ("/1a2b3c4d/index.js", False),
    "no extension": ("/members/1a2b3c4d", False),
    "service worker": ("/service-worker.js", False),
}


@pytest.mark.parametrize(("path", "expected"), NAMES.values(), ids=NAMES)
def test_kept_for_good(path: str, expected: bool) -> None:
    assert kept(path) is expected


ASSETS = {
    "fingerprinted": ("/static/js/main.1a2b3c4d.js", True),
    "fingerprinted data": ("/data.1a2b3c4d.json", True),
    "script in a folder": ("/js/chunk-3.js", True),
    "font in a folder": ("/fonts/a/b.woff2", True),
    "script with what may be a hash": ("/chunk-ABCDEFGH.js", True),
    "service worker": ("/sw.js", False),
    "script in the root": ("/app.js", False),
    "document": ("/files/customers.csv", False),
    "data": ("/data/customers.json", False),
    "page": ("/old/page.html", False),
    "path of a browser's app": ("/members/42", False),
}


@pytest.mark.parametrize(("path", "expected"), ASSETS.values(), ids=ASSETS)
def test_looked_for_in_the_other_slot(path: str, expected: bool) -> None:
    assert mapped("mainstay_asset", f"{mapped('mainstay_keep_file', path)} {path}") == ("1" if expected else "")


@pytest.mark.parametrize(
    ("path", "page"),
    [("/docs", "$uri/index.html"), ("/docs/", ""), ("/", ""), ("/v1.2", "$uri/index.html")],
)
def test_folders(path: str, page: str) -> None:
    assert mapped("mainstay_folder", path) == page

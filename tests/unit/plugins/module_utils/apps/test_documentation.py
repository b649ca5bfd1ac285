# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written from the specification is fresh, and its example loads."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.mainstay.platform.plugins.module_utils.apps import load, spec

from tools import document_apps


@pytest.mark.parametrize("path", document_apps.outputs(), ids=lambda path: path.name)
def test_generated_text_is_fresh(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == document_apps.outputs()[path], "stale: run make docs"


def test_the_example_is_good() -> None:
    text = document_apps.EXAMPLE.replace("{{ shop_db_password }}", "p" * 12).replace("{{ shop_release }}", "v1")
    example = yaml.safe_load(text)
    assert [app["name"] for app in load(example["apps"], example["server"])] == ["shop"]


@pytest.mark.parametrize(
    ("struct", "field"),
    [
        pytest.param(struct, field, id=f"{struct.title}.{field.name}")
        for struct in document_apps.structs()
        for field in struct.fields
    ],
)
def test_fields_are_described_and_their_examples_are_good(struct: spec.Struct, field: spec.Field) -> None:
    assert field.description.endswith("."), "a sentence"
    scalar = field.type.item if isinstance(field.type, spec.ListOf) else field.type
    if isinstance(scalar, spec.Scalar):
        values = [value for value in (field.default, field.example) if value is not None]
        for value in values:
            for item in value if isinstance(value, list) else [value]:
                scalar.parse(item)

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible_collections.mainstay.platform.plugins.plugin_utils.runtime_inventory import render


class Odd(str):
    """As Ansible's own strings: a subclass that YAML does not know."""


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("plain", id="text"),
        pytest.param("a{{ b }}c", id="looks like a template"),
        pytest.param("{% raw %}", id="looks like a block"),
        pytest.param("'\"\n\\ü: #", id="awkward characters"),
        pytest.param("yes", id="looks like a boolean"),
        pytest.param(Odd("x{{"), id="Ansible's string"),
        pytest.param([1, True, None, {"a": ["b{{"]}], id="nested"),
        pytest.param(DataLoader().load("{days: 7, share: 0.5, on: true}"), id="numbers of an inventory"),
    ],
)
def test_values_come_back_as_they_are(value: object) -> None:
    text = render("web-1", {"secret": value}, "/opt/python")
    found = DataLoader().load(text)["all"]["hosts"]["web-1"]
    assert found == {"ansible_connection": "local", "ansible_python_interpreter": "/opt/python", "secret": value}


def test_what_looks_like_a_template_is_marked() -> None:
    assert "secret: !unsafe 'a{{b'" in render("h", {"secret": "a{{b", "other": "c"}, "p")


def test_the_text_does_not_depend_on_order() -> None:
    assert render("h", {"a": 1, "b": 2}, "p") == render("h", {"b": 2, "a": 1}, "p")
    assert yaml.safe_load(render("h", {"a": 1}, "p"))["all"]["hosts"]["h"]["a"] == 1

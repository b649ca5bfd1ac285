# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what the app model's specification says: the documentation of ``validate_apps`` and ``docs/apps.md``.

``python -m tools.document_apps`` writes both; ``--check`` fails where one of them is stale.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / ".ansible" / "collections"))

from ansible_collections.mainstay.platform.plugins.module_utils.apps import checks, spec  # noqa: E402

EXAMPLE = """\
apps:
  - name: shop
    domains: [shop.example, www.shop.example]   # the first is canonical
    release: "{{ shop_release }}"
    services:
      - name: web
        image: registry.example/shop-web
        port: 8000
        memory: 512m
        cpus: 1.0
        routes: [/]
        health: /health
        metrics: /metrics
        rate_limits:
          - {path: /, rate: 10/s, burst: 20}
          - {path: /login, rate: 5/m}
          - {path: /login/forgotten, rate: 2/h}
      - {name: worker, image: registry.example/shop-web, command: [./work], memory: 256m}
      - {name: migrate, image: registry.example/shop-web, command: [./migrate], memory: 256m, run: before_release}
    databases:
      - name: db
        engine: postgresql
        version: "17"
        memory: 512m
        password: "{{ shop_db_password }}"
        backup: {schedule: "*-*-* 02:00:00 UTC"}
    env: {LOG_LEVEL: info}
    secrets: {DATABASE_URL: "postgresql://shop:{{ shop_db_password }}@db/shop"}

server: {memory: 4g, cpus: 2}
"""

MODULE = '''\
#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# DOCUMENTATION is written by `make docs` from plugins/module_utils/apps/spec.py; action/validate_apps.py does the work.
from __future__ import annotations

DOCUMENTATION = r"""
{documentation}"""

EXAMPLES = r"""
{examples}"""

RETURN = r"""
{returns}"""
'''

PLAY = """\
- name: Check the inventory before any server is touched
  hosts: all
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - name: Check apps
      mainstay.platform.validate_apps:
        apps: "{{ apps | default(omit) }}"
        server: "{{ server | default(omit) }}"

# group_vars of the servers
"""

PAGE = """\
<!-- Written by `make docs` from plugins/module_utils/apps/spec.py. Do not edit. -->
# The apps of a server

`apps` is the one list that says what runs on a server; everything else is derived from it. It is checked before any
server is touched, and every error is reported at once:

    {error}

```yaml
{example}```

## Types

| type | is |
|---|---|
{types}

{structs}
## What is checked beside single fields

{checks}
- {capacity}
- {system}

Secrets (`secrets`, `password`) and values of `env` are never quoted in an error.
"""


class Dumper(yaml.SafeDumper):
    """Indents lists below their key and quotes nothing that need not be."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        """Never leave a list at the indent of its key."""
        return super().increase_indent(flow, False)


def dump(data: object) -> str:
    """Return data as YAML in the order given."""
    text: str = yaml.dump(data, Dumper=Dumper, sort_keys=False, width=100, allow_unicode=True)
    return text


def option(field: spec.Field) -> dict[str, Any]:
    """Return a field as an option of Ansible's documentation."""
    described: dict[str, Any] = {"description": [field.description]}
    if isinstance(field.type, spec.Scalar) and field.type.title in ("duration", "rate", "schedule", "size"):
        described["description"].append(ansible_markup(summary_of(field.type.parse)))
    if field.derived:
        described["description"].append(f"Without it, {field.derived}.")
    described |= ansible_type(field.type)
    if field.required:
        described["required"] = True
    elif field.default is not None:
        described["default"] = field.default
    return described


def ansible_type(type_: Any) -> dict[str, Any]:
    """Return C(type), C(elements), C(choices) and C(suboptions) of a type."""
    if isinstance(type_, spec.Scalar):
        return {"type": type_.ansible, **({"choices": list(type_.choices)} if type_.choices else {})}
    if isinstance(type_, spec.MapOf):
        return {"type": "dict"}
    if isinstance(type_, spec.ListOf):
        inner = ansible_type(type_.item)
        return {"type": "list", "elements": inner.pop("type"), **inner}
    return {"type": "dict", "suboptions": {field.name: option(field) for field in type_.fields}}


def module() -> str:
    """Return ``plugins/modules/validate_apps.py``."""
    documentation = {
        "module": "validate_apps",
        "short_description": "Check the apps of a server before it is touched",
        "version_added": "0.1.0",
        "description": [
            "Checks the C(apps) list of the inventory and reports every error at once, "
            "each with its path and what would be right.",
            "Runs on the controller and does not connect to the host.",
        ],
        "author": ["Mainstay contributors (@mainstay-platform)"],
        "options": {
            "apps": {
                "description": ["The apps of the server."],
                "type": "list",
                "elements": "dict",
                "required": True,
                "suboptions": {field.name: option(field) for field in spec.APP.fields},
            },
            "server": {
                "description": ["What the server has. With it the limits of all apps are added up and compared."],
                "type": "dict",
                "suboptions": {field.name: option(field) for field in spec.SERVER.fields},
            },
            "system": {
                "description": [
                    "Distribution and version of the server, where they are known.",
                    "With it, what the distribution lacks is refused.",
                ],
                "type": "str",
            },
        },
        "attributes": {
            "check_mode": {"description": "Nothing is changed in either mode.", "support": "full"},
            "diff_mode": {"description": "Nothing is changed, so there is no diff.", "support": "none"},
        },
    }
    returns = {
        name: {"description": f"Number of {name}.", "returned": "success", "type": "int", "sample": sample}
        for name, sample in (("apps", 1), ("domains", 2), ("services", 3), ("databases", 1))
    }
    return MODULE.format(documentation=dump(documentation), examples=PLAY + commented(EXAMPLE), returns=dump(returns))


def commented(text: str) -> str:
    """Return text as a comment, so that what follows a play in EXAMPLES stays YAML."""
    return "".join(f"# {line}".rstrip() + "\n" for line in text.splitlines())


def title(type_: Any) -> str:
    """Return a type's name, as the reference prints it."""
    if isinstance(type_, spec.MapOf):
        return "mapping"
    if isinstance(type_, spec.ListOf):
        return f"list of {title(type_.item)}"
    return str(type_.title)


def markdown(text: str) -> str:
    """Return Ansible's markup as Markdown."""
    return re.sub(r"\b[CVO]\(([^)]*(?:\([^)]*\)[^)]*)*)\)", r"`\1`", text)


def flow(value: object) -> str:
    """Return a value as YAML on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6)
    return text.strip().removesuffix("...").strip()


def row(field: spec.Field) -> str:
    """Return a field's row of its table."""
    type_ = (
        " \\| ".join(f"`{word}`" for word in field.type.choices)
        if isinstance(field.type, spec.Scalar) and field.type.choices
        else title(field.type)
    )
    default = (
        "**required**"
        if field.required
        else markdown(field.derived) or (f"`{flow(field.default)}`" if field.default is not None else "")
    )
    example = f" Example: `{flow(field.example)}`" if field.example is not None else ""
    return f"| `{field.name}` | {type_} | {default} | {markdown(field.description)}{example} |"


def structs() -> list[spec.Struct]:
    """Return every mapping of the model, outside in."""
    found: list[spec.Struct] = []

    def visit(struct: spec.Struct) -> None:
        found.append(struct)
        for field in struct.fields:
            inner = field.type.item if isinstance(field.type, spec.ListOf) else field.type
            if isinstance(inner, spec.Struct):
                visit(inner)

    visit(spec.APP)
    visit(spec.SERVER)
    return found


def scalars() -> dict[str, spec.Scalar]:
    """Return every scalar type that is more than its name, by its title."""
    found: dict[str, spec.Scalar] = {}
    for field in (field for struct in structs() for field in struct.fields):
        parts: list[Any] = [field.type.item if isinstance(field.type, spec.ListOf) else field.type]
        if isinstance(field.type, spec.MapOf):
            parts = [field.type.key, field.type.value]
        scalar = (part for part in parts if isinstance(part, spec.Scalar))
        found |= {part.title: part for part in scalar if part.title not in ("choice", "number", "string")}
    return found


def summary_of(function: Any) -> str:
    """Return the first paragraph of a docstring as one line of Markdown."""
    paragraph = (function.__doc__ or "").strip().split("\n\n")[0]
    return markdown(" ".join(paragraph.split())).replace("``", "`")


def ansible_markup(text: str) -> str:
    """Return Markdown's code as Ansible's."""
    return re.sub(r"`([^`]*)`", r"C(\1)", text)


def page() -> str:
    """Return ``docs/apps.md``."""
    tables = []
    for struct in structs():
        head = f"## `{struct.title}`" if struct in (spec.APP, spec.SERVER) else f"### {struct.title}"
        tables.append(
            f"{head}\n\n| field | type | default | meaning |\n|---|---|---|---|\n"
            + "\n".join(map(row, struct.fields))
            + "\n"
        )
    return PAGE.format(
        error="apps[1] 'recipe': services[0].memory: '1 gib' is not a size (try '1g')",
        example=EXAMPLE,
        types="\n".join(f"| {name} | {summary_of(scalar.parse)} |" for name, scalar in sorted(scalars().items())),
        structs="\n".join(tables),
        checks="\n".join(f"- {summary_of(check)}" for check in (*checks.APP_CHECKS, *checks.LIST_CHECKS)),
        capacity=summary_of(checks.check_capacity),
        system=summary_of(checks.check_system),
    )


def outputs() -> dict[Path, str]:
    """Return every generated file with the text that it should have."""
    return {ROOT / "plugins/modules/validate_apps.py": module(), ROOT / "docs/apps.md": page()}


def main() -> None:
    """Write, or with ``--check`` compare."""
    stale = [path for path, text in outputs().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        sys.exit(f"stale, run make docs: {', '.join(str(path.relative_to(ROOT)) for path in stale)}" if stale else 0)
    for path in stale:
        path.write_text(outputs()[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read ``apps`` against the specification: types, defaults, derived values, and every error at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from . import ports, users
from .checks import check_apps, check_capacity, check_system
from .spec import APP, ELSEWHERE, ENGINES, SERVER, Engine, Field, ListOf, MapOf, Scalar, Struct
from .types import kind, plain, shown, split_image

App = dict[str, Any]

LOOPBACK = ("localhost", "127.0.0.1", "::1")
VOLUME_MAX_DROP = 50
CONTAINER_USER = "65532:65532"
ALWAYS_TMPFS = "/tmp"  # noqa: S108 - inside the container

# What a value becomes that is wrong and has been reported. Structs leave such fields out, lists hold it as None.
_INVALID = object()


class ModelError(ValueError):
    """``apps`` or ``server`` is wrong; ``errors`` has one line for each error, in the order of the input."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def load(apps: object, server: object = None, system: str | None = None) -> list[App]:
    """Return ``apps`` with every default filled in: sizes in bytes, durations in seconds, images with tags, ports.

    ``server`` (``{memory: 8g, cpus: 2}``), where given, must hold them all, and ``system`` (``Debian 12``) must be able
    to. Raises ModelError with all errors, each as
    ``apps[1] 'recipe': services[0].memory: '1 gib' is not a size (try '1g')``.
    """
    if not isinstance(apps, (list, tuple)):
        raise ModelError([f"apps: is {kind(apps)}, not a list of apps (begin each with '- name: …')"])
    errors: list[str] = []
    loaded = []
    for index, raw in enumerate(apps):
        reader = _Reader()
        app = reader.read(APP, raw, "")
        loaded.append(_derive(app) if isinstance(app, dict) else {})
        errors += [f"{_label(index, raw)}: {error}" for error in reader.errors]
    errors += [f"{_label(index, apps[index])}: {message}" for index, message in check_apps(loaded)]
    if server is not None:
        reader = _Reader()
        room = reader.read(SERVER, server, "server")
        errors += reader.errors
        if isinstance(room, dict):
            errors += check_capacity(loaded, room)
    errors += check_system(loaded, system) if system else []
    if errors:
        raise ModelError(_scrub(errors, apps))
    return loaded


def _label(index: int, raw: object) -> str:
    name = plain(raw.get("name")) if isinstance(raw, Mapping) else None
    return f"apps[{index}] {shown(name)}" if isinstance(name, str) and name else f"apps[{index}]"


class _Reader:
    """Reads raw values by their type and collects what is wrong with them."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def wrong(self, path: str, message: str) -> object:
        self.errors.append(f"{path}: {message}" if path else message)
        return _INVALID

    def read(self, spec: Scalar | ListOf | MapOf | Struct, value: object, path: str) -> Any:
        if isinstance(spec, Struct):
            return self.struct(spec, value, path)
        if isinstance(spec, ListOf):
            return self.list(spec, value, path)
        if isinstance(spec, MapOf):
            return self.map(spec, value, path)
        try:
            return spec.parse(value)
        except ValueError as error:
            return self.wrong(path, str(error))

    def list(self, spec: ListOf, value: object, path: str) -> Any:
        if not isinstance(value, (list, tuple)):
            if isinstance(spec.item, Struct):
                return self.wrong(path, f"is {kind(value)}, not a list (begin each {spec.item.title} with '-')")
            quotable = isinstance(value, str) and value.isprintable() and len(value) <= 120
            hint = (spec.hint(plain(value)) or f"try [{plain(value)}]") if quotable else None
            return self.wrong(path, f"{shown(value)} is not a list" + (f" ({hint})" if hint else ""))
        items = [self.read(spec.item, item, f"{path}[{index}]") for index, item in enumerate(value)]
        return [None if item is _INVALID else item for item in items]

    def map(self, spec: MapOf, value: object, path: str) -> Any:
        if not isinstance(value, Mapping):
            return self.wrong(path, f"is {kind(value)}, not a mapping (write KEY: value)")
        result = {}
        for key in value:
            name = self.read(spec.key, key, path)
            if name is not _INVALID:
                item = self.read(spec.value, value[key], f"{path}.{name}")
                result[name] = None if item is _INVALID else item
        return result

    def struct(self, spec: Struct, value: object, path: str) -> Any:
        if spec.shorthand and isinstance(value, str):
            value = {spec.shorthand: value}
        if not isinstance(value, Mapping):
            also = f" or a {spec.shorthand}" if spec.shorthand else ""
            hint = f" (try {{enabled: {shown(value)}}})" if isinstance(value, bool) and spec.field("enabled") else ""
            return self.wrong(path, f"is {kind(value)}, not a mapping of {spec.title} fields{also}{hint}")
        meant = {
            self.unknown(spec, key, value, path) for key in value if not isinstance(key, str) or not spec.field(key)
        }
        result = {}
        for field in spec.fields:
            item = self.field(field, value.get(field.name), _join(path, field.name), silent=field.name in meant)
            if item is not _INVALID:
                result[field.name] = item
        return result

    def field(self, field: Field, value: object, path: str, silent: bool) -> Any:
        if value is not None:
            return self.read(field.type, value, path)
        if silent:
            return _INVALID
        if not field.required:
            return None if field.default is None else self.read(field.type, field.default, path)
        meaning = re.sub(r"\b[CV]\(([^)]*)\)", r"\1", field.description).split(". ")[0].rstrip(".")
        example = f" (such as {shown(field.example)})" if isinstance(field.example, (str, int)) else ""
        meaning = meaning if meaning[:2].isupper() else meaning[0].lower() + meaning[1:]
        return self.wrong(path, f"is missing: {meaning}{example}")

    def unknown(self, spec: Struct, key: object, value: Mapping[Any, Any], path: str) -> str | None:
        """Report a key that is no field; return the absent field that it seems to stand for."""
        if not isinstance(key, str):
            self.wrong(path, f"{shown(key)} is {kind(key)}, not a field's name")
            return None
        known = [field.name for field in spec.fields]
        note = ELSEWHERE.get(key, "")
        near = [note] if note in known else difflib.get_close_matches(key, known, n=1, cutoff=0.7)
        others = note if " " in note else f"known: {', '.join(known)}"
        hint = f"did you mean '{near[0]}'?" if near else others
        self.wrong(
            _join(path, shown(key)[1:-1]),
            f"is not a field of {'an' if spec.title == 'app' else 'a'} {spec.title} ({hint})",
        )
        return near[0] if near and value.get(near[0]) is None else None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _derive(app: App) -> App:
    """Fill in what follows from other fields. What is absent here was wrong; what hangs on it stays absent too."""
    for service in _dicts(app.get("services")):
        _tag_image(service, app.get("release"))
        if service.get("user", ...) is None and "name" in app:
            service["user"] = users.derived(app["name"]) if app.get("runtime") == "systemd" else CONTAINER_USER
        if "tmpfs" in service:
            service["tmpfs"] = list(dict.fromkeys([ALWAYS_TMPFS, *filter(None, service["tmpfs"])]))
        if service.get("ports", ...) is None and service.get("port") and "name" in app and "name" in service:
            service["ports"] = ports.derived(app["name"], service["name"])
        for volume in _dicts(service.get("volumes")):
            _derive_backup(volume.get("backup"), VOLUME_MAX_DROP)
        for limit in _dicts(service.get("rate_limits")):
            if limit.get("burst", ...) is None and "rate" in limit:
                limit["burst"] = int(limit["rate"].split("/")[0]) - 1
    for database in _dicts(app.get("databases")):
        engine = ENGINES.get(database.get("engine", ""))
        if engine and database.get("image", ...) is None:
            database["image"] = engine.image
        _tag_image(database, database.get("version"))
        for field in ("user", "database"):
            if engine and engine.has_users and database.get(field, ...) is None and "name" in app:
                database[field] = app["name"]
        if engine:
            _derive_external(database.get("external"), engine)
            _derive_backup(database.get("backup"), engine.max_drop)
    return app


def _derive_external(external: Any, engine: Engine) -> None:
    if not isinstance(external, dict):
        return
    near = bool(external.get("socket")) or external.get("host") in LOOPBACK
    derived = {"port": engine.port, "tls": not near, "tools": "host" if near else "image"}
    for field, value in derived.items():
        if external.get(field, ...) is None:
            external[field] = value


def _derive_backup(backup: Any, max_drop: int) -> None:
    if isinstance(backup, dict) and backup.get("max_drop", ...) is None:
        backup["max_drop"] = max_drop


def _dicts(items: Any) -> list[dict[str, Any]]:
    return [item for item in items or [] if isinstance(item, dict)]


def _tag_image(item: dict[str, Any], tag: str | None) -> None:
    if tag and item.get("image") and split_image(item["image"])[1:] == (None, None):
        item["image"] += f":{tag}"


def _scrub(errors: list[str], apps: Any) -> list[str]:
    """Blot out secrets that somebody has put where errors quote them."""
    secrets = set()
    for app in apps:
        raw = app if isinstance(app, Mapping) else {}
        held = raw.get("secrets")
        values = [held[key] for key in held] if isinstance(held, Mapping) else []
        databases = raw.get("databases")
        source = raw.get("source")
        values += [source.get("deploy_key")] if isinstance(source, Mapping) else []
        values += (
            [item.get("password") for item in databases if isinstance(item, Mapping)]
            if isinstance(databases, (list, tuple))
            else []
        )
        secrets |= {
            str(plain(value)) for value in values if isinstance(value, (str, int)) and len(str(plain(value))) >= 8
        }
    for secret in sorted(secrets, key=lambda value: (-len(value), value)):
        for form in (secret, repr(secret)[1:-1], secret[:57]):
            errors = [error.replace(form, "********") for error in errors]
    return errors

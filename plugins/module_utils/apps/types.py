# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scalar types of the app model.

Every parser takes a value as YAML gives it and returns its normal form, or raises ``ValueError`` whose text says what
was found and what would be right. A parser accepts its own normal form, so that a loaded model can be loaded again.
Parsers whose values may be secret never quote them.
"""

from __future__ import annotations

import ipaddress
import math
import re
import shlex
from collections.abc import Mapping

KIB = 1024
UNITS = {"k": KIB, "m": KIB**2, "g": KIB**3}
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST_WINDOW = 31 * SECONDS["d"]
SMALLEST_MEMORY = 6 * UNITS["m"]
PASSWORD_LENGTH = 12

# capabilities(7)
CAPABILITIES = frozenset(
    """
    AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER
    FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE
    NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE
    SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM
    """.split()  # noqa: SIM905
)


def plain(value: object) -> object:
    """Return a scalar without the subclass (Ansible's tagged strings, numbers) that it may come in."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return float(value) if isinstance(value, float) else value


def kind(value: object) -> str:
    """Return what a value is, in YAML's words: ``a mapping``, ``a list``, ``nothing`` …"""
    if value is None:
        return "nothing"
    names = ((bool, "a boolean"), (int, "a number"), (float, "a number"), (str, "a string"), (Mapping, "a mapping"))
    for type_, name in names:
        if isinstance(value, type_):
            return name
    return "a list" if isinstance(value, (list, tuple)) else f"a {type(value).__name__}"


def shown(value: object) -> str:
    """Return a value as an error message quotes it: short, and containers only by what they are."""
    value = plain(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**18):
        return repr(value)
    return kind(value)


def _wrong(value: object, expected: str, hint: str | None = None) -> ValueError:
    return ValueError(f"{shown(value)} is not {expected}" + (f" ({hint})" if hint else ""))


def _try(value: object) -> str:
    return f"try {shown(value)}"


def text(value: object) -> str:
    """A string that is not empty. Numbers are refused: YAML turns ``1.10`` into 1.1 before anybody sees it."""
    value = plain(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f'{shown(value)} is a number, not a string (write "{value}" in quotes)'.replace("'", ""))
    if not isinstance(value, str):
        raise _wrong(value, "a string")
    if not value.strip():
        raise ValueError("is empty")
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError(f"{shown(value)} holds a line break or another control character")
    return value


def name(value: object) -> str:
    """A name: lower-case letters, digits and hyphens, begins with a letter, at most 31 characters."""
    value = text(value)
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", value):
        better = re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-0123456789")[:31].rstrip("-")
        rule = "a name: lower-case letters, digits and '-', a letter first, at most 31"
        raise _wrong(value, rule, _try(better) if better else None)
    return value


def identifier(value: object) -> str:
    """A user or database inside a database server."""
    value = text(value)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,62}", value):
        raise _wrong(value, "an identifier: letters, digits, '_' and '-', a letter first, at most 63")
    return value


def boolean(value: object) -> bool:
    """``true`` or ``false``, also as the strings that ``-e`` makes of them."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _wrong(value, "a boolean", "write true or false")


def _integer(value: object, low: int, high: int, what: str) -> int:
    value = plain(value)
    number = int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
        raise _wrong(value, f"{what} from {low} to {high}")
    return number


def port(value: object) -> int:
    """A TCP port, 1 to 65535."""
    if isinstance(value, str) and ":" in value:
        inner = value.rsplit(":", 1)[-1]
        hint = f"the port inside the container only: try {inner}" if inner.isdecimal() and len(inner) < 6 else None
        raise _wrong(value, "a port from 1 to 65535", hint)
    return _integer(value, 1, 65535, "a port")


def loopback_port(value: object) -> int:
    """A port on the server's loopback address, 20000 to 29999: below the ephemeral ports, above all known ones."""
    return _integer(value, 20000, 29999, "a loopback port")


def days(value: object) -> int:
    """A number of days, 1 to 3650."""
    return _integer(value, 1, 3650, "a number of days")


def percent(value: object) -> int:
    """A number of percent, 1 to 100."""
    return _integer(value, 1, 100, "a number of percent")


def pids(value: object) -> int:
    """A number of processes, 1 to 65536."""
    return _integer(value, 1, 65536, "a number of processes")


def burst(value: object) -> int:
    """Requests beyond the rate that are let through at once, 0 to 100000."""
    return _integer(value, 0, 100000, "a number of requests")


def cpus(value: object) -> float:
    """A number of CPUs, 0.01 to 1024."""
    value = plain(value)
    number = value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,6})?", value):
        number = float(value)
    elif isinstance(value, str) and (milli := re.fullmatch(r"([0-9]{1,7})m", value)):
        raise _wrong(value, "a number of CPUs", f"try {int(milli[1]) / 1000:g}")
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0.01 <= number <= 1024:
        raise _wrong(value, "a number of CPUs from 0.01 to 1024", None if isinstance(number, int) else "such as 0.5")
    return float(number)


def human_size(count: int) -> str:
    """Return bytes as a person would write them, without rounding: ``1g``, ``1.5g``, ``3327m``."""
    for unit, scale in reversed(UNITS.items()):
        if count >= scale and (count * 100) % scale == 0:
            return f"{count / scale:g}{unit}"
    return str(count)


def size(value: object) -> int:
    """Memory: a whole number with ``k``, ``m`` or ``g`` (powers of 1024), such as ``256m``; at least ``6m``."""
    value = plain(value)
    count = None
    if isinstance(value, str) and (match := re.fullmatch(r"([0-9]{1,12})([kmg])", value)):
        count = int(match[1]) * UNITS[match[2]]
    elif isinstance(value, int) and not isinstance(value, bool):
        count = value
    if count is None:
        raise _wrong(value, "a size", _try(_nearest_size(value)) if _nearest_size(value) else "such as '256m' or '1g'")
    if count < SMALLEST_MEMORY or count > 2**50:
        hint = f" ({_try(f'{count}m')})" if 6 <= count < SMALLEST_MEMORY and not isinstance(value, str) else ""
        limit = "less than '6m', the least that Docker takes" if count < SMALLEST_MEMORY else "more than any server has"
        raise ValueError(f"{shown(value)}{' bytes' if isinstance(value, int) else ''} is {limit}{hint}")
    return count


def _nearest_size(value: object) -> str | None:
    match = re.fullmatch(r"\s*([0-9]{1,9})(?:\.([0-9]{1,3}))?\s*([kmgt]?)(i?b|i|bytes|)\s*", str(value).lower())
    if not match or not isinstance(value, str):
        return None
    whole, fraction, unit, _rest = match.groups()
    if not unit:
        return f"{whole}m" if not fraction else None
    if unit == "t":
        return f"{int(whole) * 1024}g"
    if fraction:
        smaller = {"g": "m", "m": "k", "k": None}[unit]
        return f"{math.ceil(float(f'{whole}.{fraction}') * 1024)}{smaller}" if smaller else None
    return f"{whole}{unit}"


def duration(value: object) -> int:
    """A time: a whole number with ``s``, ``m`` or ``h``, such as ``30s``; 1 second to 24 hours."""
    value = plain(value)
    seconds = None
    if isinstance(value, str) and (match := re.fullmatch(r"([0-9]{1,9})([smh])", value)):
        seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
    elif isinstance(value, int) and not isinstance(value, bool):
        seconds = value
    if seconds is None:
        better = _nearest_duration(value)
        raise _wrong(value, "a duration", _try(better) if better else "such as '30s', '5m' or '2h'")
    if not 1 <= seconds <= 86400:
        raise ValueError(f"{shown(value)} is out of range: from '1s' to '24h'")
    return seconds


def promise(value: object) -> int:
    """A time that is promised: a whole number with ``m``, ``h`` or ``d``, such as ``15m``; 1 minute to 366 days."""
    value = plain(value)
    match = re.fullmatch(r"([0-9]{1,6})([mhd])", value) if isinstance(value, str) else None
    if not match:
        better = _nearest_duration(value) if isinstance(value, str) else None
        fits = better and not better.endswith("s")
        raise _wrong(value, "a time", _try(better) if better and fits else "such as '15m', '6h' or '7d'")
    seconds = int(match[1]) * {"m": 60, "h": 3600, "d": 86400}[match[2]]
    if not 60 <= seconds <= 366 * 86400:
        raise ValueError(f"{shown(value)} is out of range: from '1m' to '366d'")
    return seconds


def human_time(seconds: int) -> str:
    """Seconds as one would write them: ``90m``, ``24h``, ``7d``; at most two days are hours."""
    for unit, scale in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % scale == 0 and (unit != "d" or seconds > 2 * scale):
            return f"{seconds // scale}{unit}"
    return f"{seconds}s"


def _nearest_duration(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    units = {
        "": 1,
        "s": 1,
        "sec": 1,
        "second": 1,
        "m": 60,
        "min": 60,
        "minute": 60,
        "h": 3600,
        "hour": 3600,
        "d": 86400,
        "day": 86400,
    }
    parts = re.findall(r"([0-9]{1,6})\s*([a-z]*)\s*", value.lower())
    if not parts or "".join(a + b for a, b in parts) != re.sub(r"\s", "", value.lower()):
        return None
    total = 0
    for count, unit in parts:
        if unit == "ms" and len(parts) == 1:
            return f"{max(1, int(count) // 1000)}s"
        scale = units.get(unit.removesuffix("s") or unit)
        if scale is None:
            return None
        total += int(count) * scale
    for unit, scale in (("h", 3600), ("m", 60)):
        if total and total % scale == 0:
            return f"{total // scale}{unit}"
    return f"{total}s"


def rate(value: object) -> str:
    """Requests per client and time: ``10/s``, ``5/m``, ``2/h``, ``1000/d``, or ``20/15m``: twenty in fifteen minutes.

    ``1h`` becomes ``h``. nginx's own limiter carries out those per second and per minute; see `windowed`.
    """
    value = plain(value)
    if isinstance(value, str) and (match := re.fullmatch(r"([0-9]{1,6})/([0-9]{0,4})([smhd])", value)):
        count, number, unit = int(match[1]), int(match[2] or 1), match[3]
        if count == 0:
            raise ValueError(f"{shown(value)} lets nothing through (at least 1)")
        if number == 0:
            raise ValueError(f"{shown(value)} counts in no time at all (try '{count}/{unit}')")
        if number * SECONDS[unit] > LONGEST_WINDOW:
            raise ValueError(f"{shown(value)} counts longer than 31 days, which nginx will not remember")
        return f"{count}/{'' if number == 1 else number}{unit}"
    loose = re.fullmatch(
        r"\s*([0-9]{1,6})\s*(?:r|req|requests?)?\s*(?:/|per)\s*([0-9]{0,4})\s*(s|m|h|d)[a-z]*\s*", str(value).lower()
    )
    hint = _try(f"{loose[1]}/{loose[2]}{loose[3]}") if loose else "such as '10/s', '5/m' or '2/h'"
    raise _wrong(value, "a rate", hint)


def windowed(value: str) -> bool:
    """Whether a rate counts in another time than a second or a minute, which only njs can do."""
    return value.split("/")[1] not in ("s", "m")


def host_name(value: object) -> str:
    """A host name with at least one dot, in ASCII and lower case."""
    value = text(value)
    bare = re.sub(r"^[a-z]+://", "", value.strip().lower()).split("/")[0].split(":")[0].rstrip(".")
    if not value.isascii():
        try:
            ascii_name = bare.encode("idna").decode("ascii")
        except UnicodeError:
            raise _wrong(value, "a host name") from None
        raise _wrong(value, "an ASCII host name", _try(ascii_name))
    try:
        ipaddress.ip_address(value)
    except ValueError:
        pass
    else:
        raise _wrong(value, "a host name", "an address cannot get a certificate by name")
    if _is_host(value):
        return value
    if re.fullmatch(r"[a-z0-9-]+", value):
        raise _wrong(value, "a public host name", "it needs a dot, such as 'shop.example'")
    raise _wrong(value, "a host name", _try(bare) if _is_host(bare) else None)


def domain(value: object) -> str:
    """A host name, or ``*.`` and one: every name with one more label."""
    value = text(value)
    return f"*.{host_name(value[2:])}" if value.startswith("*.") else host_name(value)


def server_address(value: object) -> str:
    """A host name, with or without a dot, or an IP address: where a server is that others run."""
    value = text(value)
    label = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    if len(value) <= 253 and re.fullmatch(rf"{label}(?:\.{label})*", value):
        return value
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        bare = re.sub(r"^[a-z]+://", "", value.strip()).split("/")[0].rpartition("@")[2].split(":")[0]
        good = bare != value and re.fullmatch(rf"{label}(?:\.{label})*", bare)
        raise _wrong(value, "a host name or an address", _try(bare) if good else None) from None


def _is_host(value: str) -> bool:
    label = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    top = r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
    return len(value) <= 253 and re.fullmatch(rf"(?:{label}\.)+{top}", value) is not None


def url_path(value: object) -> str:
    """A path of a URL, begins with ``/``; no query, no ``..``, nothing that means something to nginx."""
    value = text(value)
    if (
        value.startswith("/")
        and re.fullmatch(r"[A-Za-z0-9._~+:@!,=/-]*", value)
        and "//" not in value
        and ".." not in value
    ):
        return value
    better = "/" + re.sub(r"[?#].*", "", re.sub(r"^[a-z]+://[^/]*", "", value)).rstrip("*").strip().lstrip("/")
    hint = None
    if (
        better != value
        and re.fullmatch(r"[A-Za-z0-9._~+:@!,=/-]*", better)
        and "//" not in better
        and ".." not in better
    ):
        hint = _try(better)
    raise _wrong(value, "a path of a URL", hint or "'/' first, then letters, digits and '-._~+:@!,=/'")


def file_path(value: object) -> str:
    """An absolute path of a file or directory inside the container; not ``/`` itself."""
    value = text(value)
    if re.fullmatch(r"(?:/[A-Za-z0-9._@+-]+)+", value) and "/.." not in value and "/./" not in value:
        return value
    better = "/" + value.strip("/")
    good = better != value and re.fullmatch(r"(?:/[A-Za-z0-9._@+-]+)+", better) and "/.." not in better
    raise _wrong(value, "an absolute path inside the container", _try(better) if good else None)


def tree_path(value: object) -> str:
    """A path of a directory inside the release, such as ``frontend/build``; ``.`` is the release itself."""
    value = text(value)
    if value == "." or (
        re.fullmatch(r"(?:[A-Za-z0-9._@+-]+/)*[A-Za-z0-9._@+-]+", value) and ".." not in value.split("/")
    ):
        return value
    better = value.strip("/")
    good = better != value and re.fullmatch(r"(?:[A-Za-z0-9._@+-]+/)*[A-Za-z0-9._@+-]+", better)
    raise _wrong(value, "a path inside the release", _try(better) if good and ".." not in better.split("/") else None)


def git_url(value: object) -> str:
    """The URL of a git repository: ``https://``, ``ssh://``, ``user@host:path`` or ``file://``; without a password."""
    value = text(value)
    if re.match(r"[a-z+]+://[^/@]*:[^/@]*@", value):
        raise ValueError("holds a password, which would be seen in process lists (use ssh and deploy_key)")
    if re.fullmatch(
        r"(?:https|ssh|file)://[A-Za-z0-9@%~_:./+-]+|[A-Za-z0-9_-]+@[A-Za-z0-9.-]+:[A-Za-z0-9%~_./+-]+", value
    ):
        return value
    raise _wrong(value, "a git URL", "such as 'https://git.example/shop.git' or 'git@git.example:shop.git'")


def archive_url(value: object) -> str:
    """The URL of an archive: ``https://`` or ``file://``; without a password."""
    value = text(value)
    if re.match(r"[a-z]+://[^/@]*:[^/@]*@", value):
        raise ValueError("holds a password, which would be seen in process lists")
    if re.fullmatch(r"(?:https|file)://[A-Za-z0-9@%~_:./+?&={}-]+", value):
        return value
    raise _wrong(value, "the URL of an archive", "such as 'https://files.example/shop-{release}.tar.gz'")


def checksum(value: object) -> str:
    """A SHA-256 as ``sha256:`` and 64 hexadecimal digits."""
    value = text(value)
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", value):
        raise _wrong(value, "a checksum", "sha256: and 64 hexadecimal digits, as sha256sum prints them")
    return value


def package(value: object) -> str:
    """The name of a Debian package."""
    value = text(value)
    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", value):
        raise _wrong(value, "the name of a package", "such as 'python3-venv'")
    return value


def script(value: object) -> str:
    """A shell script; it ends where a command in it fails."""
    value = plain(value)
    if not isinstance(value, str) or not value.strip():
        raise _wrong(value, "a shell script")
    return value.strip() + "\n"


def tag(value: object) -> str:
    """A tag of an image; ``latest`` is refused, since nobody can roll back to what it was."""
    value = text(value)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", value):
        raise _wrong(value, "a tag: letters, digits, '_', '.' and '-', at most 128")
    if value == "latest":
        raise ValueError("'latest' names another image every day and cannot be rolled back (name a version)")
    return value


def split_image(value: str) -> tuple[str, str | None, str | None]:
    """Split an image reference into repository, tag and digest.

    ``registry.example:5000/a/b:1@sha256:…`` → ``("registry.example:5000/a/b", "1", "sha256:…")``
    """
    rest, _at, digest = value.partition("@")
    head, _slash, last = rest.rpartition("/")
    base, _colon, image_tag = last.partition(":")
    return (f"{head}/{base}" if head else base), image_tag or None, digest or None


def image(value: object) -> str:
    """An image reference, with or without tag or digest."""
    value = text(value)
    if "://" in value:
        bare = value.split("://", 1)[1]
        raise ValueError("holds '://': an image has no scheme" + ("" if "@" in bare else f" ({_try(bare)})"))
    component = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
    registry = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"
    pattern = (
        rf"{registry}{component}(?:/{component})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
    )
    if len(value) > 512 or not re.fullmatch(pattern, value):
        lower = value.lower()
        hint = _try(lower) if lower != value and len(value) <= 512 and re.fullmatch(pattern, lower) else None
        raise _wrong(value, "an image reference", hint or "such as 'registry.example/shop-web'")
    if split_image(value)[1] == "latest":
        raise ValueError(
            f"{shown(value)}: 'latest' names another image every day and cannot be rolled back (name a version)"
        )
    return value


def user(value: object) -> str:
    """A numeric ``uid:gid`` or ``uid``, as a string: YAML reads an unquoted ``1000:10`` as the number 60010."""
    value = plain(value)
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError(f"{shown(value)} is a number (write it in quotes: '1000:1000')")
    value = text(value)
    if not re.fullmatch(r"[0-9]{1,10}(:[0-9]{1,10})?", value):
        raise _wrong(value, "a numeric user", "such as '65532:65532'; names differ between images")
    return value


def capability(value: object) -> str:
    """A Linux capability without ``CAP_``."""
    value = text(value)
    if value not in CAPABILITIES:
        better = value.upper().removeprefix("CAP_")
        raise _wrong(value, "a capability", _try(better) if better in CAPABILITIES else "see capabilities(7)")
    return value


def argument(value: object) -> str:
    """One argument of a command; whole numbers are taken as they are."""
    value = plain(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return str(value)
    if isinstance(value, bool):
        raise ValueError(f"{shown(value)} is a boolean, not a string (write it in quotes)")
    if value == "":
        return ""
    return text(value)


def command_hint(value: object) -> str | None:
    """Return the list that a command written as one string should have been."""
    if not isinstance(value, str):
        return None
    try:
        return "try [" + ", ".join(shlex.split(value)) + "]"
    except ValueError:
        return None


def env_key(value: object) -> str:
    """The name of an environment variable."""
    value = plain(value)
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise _wrong(value, "a name of an environment variable: letters, digits and '_', no digit first")
    return value


def env_value(value: object) -> str:
    """The value of an environment variable; never quoted in errors, since secrets are put here by mistake too."""
    value = plain(value)
    if value is None:
        raise ValueError("is empty (write '' for an empty string)")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) < 10**18:
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    if not isinstance(value, str):
        raise ValueError(f"is {kind(value)}, not a string")
    if "\0" in value:
        raise ValueError("holds a NUL character, which no environment can carry")
    return value


def secret(value: object) -> str:
    """A secret environment variable's value: decrypted, not empty, not a placeholder."""
    value = "" if value is None else env_value(value)
    if not value:
        raise ValueError("is empty")
    _real_secret(value)
    return value


def password(value: object) -> str:
    """A password of at least 12 characters on one line."""
    value = plain(value)
    if not isinstance(value, str):
        raise ValueError(f"is {kind(value)}, not a string (quote it)")
    _real_secret(value)
    if len(value) < PASSWORD_LENGTH:
        found = f"has {len(value)} characters" if value else "is empty"
        raise ValueError(f"{found}, and needs at least {PASSWORD_LENGTH} (try: openssl rand -hex 24)")
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError("holds a line break or another control character")
    return value


def _real_secret(value: str) -> None:
    if value.startswith("$ANSIBLE_VAULT;"):
        raise ValueError("is still encrypted (write it with the tag !vault)")
    if value.startswith("ENC[AES256_GCM,"):
        raise ValueError("is still encrypted by SOPS (enable its vars plugin: docs/secrets.md)")
    if re.match(r"change[-_ ]?me", value, re.IGNORECASE):
        raise ValueError("still is the placeholder of vault.yml.example (write a real one)")


def header(value: object) -> str:
    """The value of an HTTP header; ``""`` leaves the header out."""
    value = plain(value)
    if value == "":
        return ""
    value = text(value)
    if not re.fullmatch(r"[\x20-\x7e]+", value) or re.search(r'["\\$]', value):
        raise _wrong(value, "a header's value: printable ASCII without '\"', '\\' and '$'")
    return value

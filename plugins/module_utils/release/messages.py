# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator reads when a release, a pull or a login fails."""

from __future__ import annotations

import re
from collections.abc import Iterable

LOG_LINES = 20
LINE_LENGTH = 300
HIDDEN = "********"


class ReleaseError(Exception):
    """A release cannot go on; ``str()`` is complete and meant for the operator."""


class RefusedError(ReleaseError):
    """The candidate is not fit to serve. ``log`` has the last lines of ``source``, a container or a command."""

    def __init__(self, reason: str, source: str = "", log: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.source = source
        self.log = list(log)


def excerpt(text: str, secrets: Iterable[str] = (), lines: int = LOG_LINES) -> list[str]:
    """Return the last ``lines`` lines of a log that hold something, shortened, without colours and without secrets."""
    for secret in sorted({secret for secret in secrets if len(secret) >= 6}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).replace("\r", "\n")
    kept = [line.rstrip() for line in text.splitlines() if line.strip()]
    return [line if len(line) <= LINE_LENGTH else line[: LINE_LENGTH - 1] + "…" for line in kept[-lines:]]


def refusal(app: str, release: str, serving: str | None, refused: RefusedError, next_step: str) -> str:
    """Return the message of a refused release: what happened, what serves, why, the log, what to do."""
    state = f"{serving} serves as before" if serving else "nothing serves yet"
    parts = [f"{app}: release {release} was refused; {state}.", f"Reason: {refused.reason}"]
    if refused.log:
        parts += [f"Last lines of {refused.source}:", *(f"  {line}" for line in refused.log)]
    elif refused.source:
        parts.append(f"{refused.source} has logged nothing.")
    return "\n".join([*parts, f"Next: {next_step}"])


def registry_of(image: str) -> str:
    """Return the registry that an image comes from: ``registry.test:5000/a/b:1`` -> ``registry.test:5000``."""
    first, slash, _rest = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


# What the engine says -> what it means; the first that fits counts. Texts of Docker 20.10 to 28, docker-registry 2.8.
_REGISTRY = (
    ("no basic auth credentials", "{registry} wants a login, and this server has none: name it in docker_registries"),
    ("authentication required", "{registry} wants a login that may read it: check docker_registries"),
    ("incorrect username or password", "{registry} refuses the username or password: check docker_registries"),
    ("401 Unauthorized", "{registry} refuses the username or password: check docker_registries"),
    (
        "unauthorized",
        "{registry} refuses the login, or the login may not read this image: check docker_registries",
    ),
    ("403 Forbidden", "the login for {registry} is good but may not read this image"),
    ("denied", "{registry} has no such image, or it is private and the login in docker_registries may not read it"),
    ("manifest unknown", "{registry} has no such tag: push it, or name another release"),
    ("not found: manifest", "{registry} has no such tag: push it, or name another release"),
    ("name unknown", "{registry} has no such image"),
    ("not found", "{registry} has no such image or tag: push it, or name another release"),
    ("no matching manifest", "the image is not built for this server's architecture"),
    (
        "server gave HTTP response to HTTPS client",
        "{registry} speaks plain HTTP: give it TLS, or list it in docker_daemon_options.insecure-registries",
    ),
    (
        "signed by unknown authority",
        "{registry} has a certificate of an authority unknown here: give it in docker_registry_ca",
    ),
    ("certificate has expired", "the certificate of {registry} has expired"),
    ("x509", "the certificate of {registry} does not hold"),
    ("no such host", "the name {registry} cannot be resolved here (a registry mirror that is down looks the same)"),
    ("connection refused", "nothing answers at {registry}"),
    ("toomanyrequests", "{registry} limits how often it may be asked: log in with docker_registries, or wait"),
    ("no space left on device", "the disk of this server is full: `docker system df` shows what Docker holds"),
    ("Client.Timeout", "{registry} does not answer: a firewall, or a wrong address"),
    ("i/o timeout", "{registry} does not answer: a firewall, or a wrong address"),
    ("deadline exceeded", "{registry} does not answer: a firewall, or a wrong address"),
)


def explain_registry(registry: str, output: str) -> str:
    """Return the cause of a failed pull or login in words, or the engine's own where it is none of the known ones."""
    folded = output.lower()
    for text, meaning in _REGISTRY:
        if text.lower() in folded:
            return meaning.format(registry=registry)
    return "; ".join(excerpt(output, lines=2)) or "Docker gives no reason"

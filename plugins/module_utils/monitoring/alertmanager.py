# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alertmanager: its configuration from a list of receivers. Pure; plain data for a serializer.

Format: prometheus.io/docs/alerting/latest/configuration. Written for 0.25 (Debian 12), so secrets stand in the file
itself (``url_file`` came with 0.26) and the file is readable by root and Alertmanager only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

SEVERITIES = ("critical", "warning", "info")
NOBODY = "nobody"
NEEDS = {"webhook": ("url",), "email": ("to", "from", "smarthost")}
# Labels that tell one fault from another: of the same fault only the gravest severity is reported.
SAME_FAULT = ["alertname", "server", "job", "instance", "app", "backup", "domain", "mountpoint", "name"]

Receiver = Mapping[str, Any]


class ReceiverError(ValueError):
    """What is wrong with the receivers, as ``errors``; never quotes a value that may be secret."""

    def __init__(self, errors: Sequence[str]) -> None:
        super().__init__("\n".join(errors))
        self.errors = list(errors)


def check(receivers: Sequence[Receiver], where: str = "monitoring_alert_receivers") -> list[str]:
    """Return what is wrong with the receivers, each sentence with its path."""
    errors = []
    names = [receiver.get("name") for receiver in receivers]
    for index, receiver in enumerate(receivers):
        path = f"{where}[{index}]"
        name = receiver.get("name")
        if not name:
            errors.append(f"{path}.name: is missing")
        elif name == NOBODY or names.index(name) != index:
            errors.append(f"{path}.name: '{name}' is taken: give each receiver a name of its own")
        kind = receiver.get("type")
        if kind not in NEEDS:
            errors.append(f"{path}.type: '{kind}' is not a kind of receiver (try 'webhook' or 'email')")
            continue
        errors += [
            f"{path}.{key}: is missing, a receiver of type '{kind}' needs it"
            for key in NEEDS[kind]
            if not receiver.get(key)
        ]
        if kind == "webhook" and receiver.get("url") and not _is_url(receiver["url"]):
            errors.append(f"{path}.url: is not a URL (try 'https://alerts.example/hook')")
        if kind == "email" and receiver.get("smarthost") and not _is_host_port(receiver["smarthost"]):
            errors.append(
                f"{path}.smarthost: '{receiver['smarthost']}' is not a host and port (try 'mail.example:587')"
            )
        if bool(receiver.get("username")) != bool(receiver.get("password")):
            errors.append(f"{path}: username and password belong together, one of them is missing")
        errors += [
            f"{path}.severities: '{severity}' is none (there are {', '.join(SEVERITIES)})"
            for severity in receiver.get("severities") or []
            if severity not in SEVERITIES
        ]
    return errors


def _is_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _is_host_port(text: str) -> bool:
    host, _colon, port = text.rpartition(":")
    return bool(host) and port.isdigit() and 0 < int(port) < 65536


def config(receivers: Sequence[Receiver]) -> dict[str, Any]:
    """Return alertmanager.yml. Raises ReceiverError.

    A receiver gets the alerts of its ``severities`` (default all). One with ``watchdog`` gets only the alert that
    always fires, every five minutes: something outside that misses it knows that monitoring is dead.
    """
    if errors := check(receivers):
        raise ReceiverError(errors)
    watchdog = 'alertname="Watchdog"'
    heartbeats = [
        {
            "receiver": r["name"],
            "matchers": [watchdog],
            "group_wait": "0s",
            "group_interval": "1m",
            "repeat_interval": "5m",
            "continue": True,
        }
        for r in receivers
        if r.get("watchdog")
    ]
    alerts = [
        {
            "receiver": r["name"],
            "matchers": [f'severity=~"{"|".join(r.get("severities") or SEVERITIES)}"'],
            "continue": True,
        }
        for r in receivers
        if not r.get("watchdog")
    ]
    return {
        "route": {
            "receiver": NOBODY,
            "group_by": ["alertname", "app"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [*heartbeats, {"receiver": NOBODY, "matchers": [watchdog]}, *alerts],
        },
        "inhibit_rules": [
            {
                "source_matchers": [f'severity="{graver}"'],
                "target_matchers": [f'severity=~"{"|".join(SEVERITIES[rank + 1 :])}"'],
                "equal": SAME_FAULT,
            }
            for rank, graver in enumerate(SEVERITIES[:-1])
        ],
        "receivers": [{"name": NOBODY}, *map(_receiver, receivers)],
    }


def _receiver(receiver: Receiver) -> dict[str, Any]:
    resolved = receiver.get("send_resolved", True)
    if receiver["type"] == "webhook":
        hook: dict[str, Any] = {"url": receiver["url"], "send_resolved": resolved}
        if receiver.get("username"):
            hook["http_config"] = {
                "basic_auth": {"username": receiver["username"], "password": receiver["password"]},
            }
        return {"name": receiver["name"], "webhook_configs": [hook]}
    mail = {
        "to": receiver["to"],
        "from": receiver["from"],
        "smarthost": receiver["smarthost"],
        "require_tls": receiver.get("require_tls", True),
        "send_resolved": resolved,
    }
    if receiver.get("username"):
        mail |= {"auth_username": receiver["username"], "auth_password": receiver["password"]}
    return {"name": receiver["name"], "email_configs": [mail]}

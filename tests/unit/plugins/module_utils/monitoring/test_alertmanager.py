# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.monitoring import alertmanager

HOOK = {"name": "chat", "type": "webhook", "url": "https://chat.example/s3cret-token"}
MAIL = {
    "name": "ops",
    "type": "email",
    "to": "ops@shop.example",
    "from": "web1@shop.example",
    "smarthost": "mail.example:587",
}
WHERE = "monitoring_alert_receivers"


@pytest.mark.parametrize(
    ("receivers", "errors"),
    [
        pytest.param([HOOK, MAIL], [], id="good"),
        pytest.param([], [], id="nobody"),
        pytest.param(
            [HOOK, HOOK], [f"{WHERE}[1].name: 'chat' is taken: give each receiver a name of its own"], id="same name"
        ),
        pytest.param(
            [HOOK | {"name": "nobody"}],
            [f"{WHERE}[0].name: 'nobody' is taken: give each receiver a name of its own"],
            id="our name",
        ),
        pytest.param([HOOK | {"name": ""}], [f"{WHERE}[0].name: is missing"], id="no name"),
        pytest.param(
            [HOOK | {"type": "sms"}],
            [f"{WHERE}[0].type: 'sms' is not a kind of receiver (try 'webhook' or 'email')"],
            id="kind",
        ),
        pytest.param(
            [{"name": "a", "type": "webhook"}],
            [f"{WHERE}[0].url: is missing, a receiver of type 'webhook' needs it"],
            id="no url",
        ),
        pytest.param(
            [HOOK | {"url": "s3cret-token"}],
            [f"{WHERE}[0].url: is not a URL (try 'https://alerts.example/hook')"],
            id="url is not quoted",
        ),
        pytest.param(
            [{"name": "a", "type": "email", "smarthost": "mail.example"}],
            [
                f"{WHERE}[0].to: is missing, a receiver of type 'email' needs it",
                f"{WHERE}[0].from: is missing, a receiver of type 'email' needs it",
                f"{WHERE}[0].smarthost: 'mail.example' is not a host and port (try 'mail.example:587')",
            ],
            id="all errors at once",
        ),
        pytest.param(
            [MAIL | {"username": "u"}],
            [f"{WHERE}[0]: username and password belong together, one of them is missing"],
            id="half a login",
        ),
        pytest.param(
            [HOOK | {"severities": ["fatal"]}],
            [f"{WHERE}[0].severities: 'fatal' is none (there are critical, warning, info)"],
            id="severity",
        ),
    ],
)
def test_check(receivers, errors):
    assert alertmanager.check(receivers) == errors


def test_config_raises_every_error():
    with pytest.raises(alertmanager.ReceiverError) as caught:
        alertmanager.config([{"name": "a", "type": "webhook"}, {"name": "a", "type": "webhook", "url": "x"}])
    assert len(caught.value.errors) == 3
    assert "\n".join(caught.value.errors) == str(caught.value)


def told(config, severity, alertname="Any"):
    """Who gets an alert: Alertmanager's own routing, for the matchers that we write."""
    out = []
    for route in config["route"]["routes"]:
        matches = all(
            alertname == "Watchdog" if m.startswith("alertname") else severity in m.split('"')[1].split("|")
            for m in route["matchers"]
        )
        if matches:
            out.append(route["receiver"])
            if not route.get("continue"):
                break
    return out


@pytest.mark.parametrize(
    ("severity", "alertname", "expected"),
    [
        pytest.param("critical", "InstanceDown", ["chat", "pager", "ops"], id="critical"),
        pytest.param("warning", "DiskLow", ["chat", "ops"], id="warning"),
        pytest.param("info", "CertificateNearEnd", ["ops"], id="info"),
        pytest.param("info", "Watchdog", ["heart", "nobody"], id="the watchdog disturbs nobody"),
    ],
)
def test_routing(severity, alertname, expected):
    config = alertmanager.config(
        [
            HOOK | {"severities": ["critical", "warning"]},
            HOOK | {"name": "pager", "severities": ["critical"]},
            MAIL,
            HOOK | {"name": "heart", "watchdog": True},
        ]
    )
    assert told(config, severity, alertname) == expected


def test_receivers():
    login = {"username": "u", "password": "p"}
    config = alertmanager.config(
        [HOOK | login | {"send_resolved": False}, MAIL | login | {"require_tls": False}, HOOK | {"name": "b"}]
    )
    assert config["receivers"] == [
        {"name": "nobody"},
        {
            "name": "chat",
            "webhook_configs": [
                {
                    "url": HOOK["url"],
                    "send_resolved": False,
                    "http_config": {"basic_auth": {"username": "u", "password": "p"}},
                }
            ],
        },
        {
            "name": "ops",
            "email_configs": [
                {
                    "to": MAIL["to"],
                    "from": MAIL["from"],
                    "smarthost": MAIL["smarthost"],
                    "require_tls": False,
                    "send_resolved": True,
                    "auth_username": "u",
                    "auth_password": "p",
                }
            ],
        },
        {"name": "b", "webhook_configs": [{"url": HOOK["url"], "send_resolved": True}]},
    ]

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The product does its work, and goes on doing it after a reboot."""

from __future__ import annotations

import json

import outside

METRICS = "http://127.0.0.1:9090/api/v1"


def prometheus(query: str) -> list[dict[str, object]]:
    """Result of an instant query on the server's own Prometheus."""
    answer = json.loads(outside.on_server(f"curl -fsS --get --data-urlencode 'query={query}' {METRICS}/query"))
    return list(answer["data"]["result"])


def test_a_snippet_is_created_and_read_back_and_worked_on(user: outside.User) -> None:
    snippet = user.create_snippet("first")
    assert user.read_snippet(snippet).json()["title"] == "first"
    outside.wait_for("the worker's summary", lambda: user.read_snippet(snippet).json().get("summary"), timeout=60)


def test_the_product_comes_back_by_itself_after_a_reboot(user: outside.User) -> None:
    snippet = user.create_snippet("before the reboot")
    booted = outside.on_server("stat -c %Y /proc/1")
    outside.bed("server", "reboot", outside.HOST)
    assert outside.on_server("stat -c %Y /proc/1") != booted
    outside.wait_for("the snippet after the reboot", lambda: user.read_snippet(snippet).status_code == 200, timeout=180)
    assert user.read_snippet(snippet).json()["title"] == "before the reboot"
    again = user.create_snippet("after the reboot")
    outside.wait_for("the worker after the reboot", lambda: user.read_snippet(again).json().get("summary"), timeout=90)
    assert outside.open_ports(outside.address()) == {22, 80, 443}


def test_every_target_is_watched() -> None:
    def down() -> bool:
        up = prometheus("up")
        return bool(up) and all(row["value"][1] == "1" for row in up)  # type: ignore[index]

    outside.wait_for("all targets up", down, timeout=120, pause=3)
    jobs = {row["metric"]["job"] for row in prometheus("up")}  # type: ignore[index]
    assert {"snippetly-backend", "node"} <= jobs


def test_the_apps_own_metrics_are_scraped_every_15_seconds() -> None:
    assert prometheus('http_requests_total{job="snippetly-backend"}')
    targets = json.loads(outside.on_server(f"curl -fsS {METRICS}/targets"))["data"]["activeTargets"]
    intervals = {t["labels"]["job"]: t["scrapeInterval"] for t in targets}
    assert intervals["snippetly-backend"] == "15s"


def test_rules_are_loaded_for_what_matters() -> None:
    groups = json.loads(outside.on_server(f"curl -fsS {METRICS}/rules"))["data"]["groups"]
    names = " ".join(rule["name"] for group in groups for rule in group["rules"])
    for alert in ("InstanceDown", "Disk", "Certificate", "Backup", "Watchdog"):
        assert alert in names, names

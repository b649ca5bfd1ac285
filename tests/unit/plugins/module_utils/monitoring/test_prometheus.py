# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.monitoring import prometheus

TARGETS = {
    "scrapes": [{"job": "shop-api", "app": "shop", "address": "127.0.0.1:9080", "path": "/shop/api"}],
    "probes": [{"app": "shop", "url": "https://shop.example:8443/health?deep=1"}],
    "certificates": ["shop.example"],
    "backups": [{"name": "shop-db", "app": "shop", "max_age": 93600}],
}


def jobs(**options):
    return {job["job_name"]: job for job in prometheus.config(TARGETS, "web1", **options)["scrape_configs"]}


def test_every_listener_is_loopback():
    for job in jobs().values():
        addresses = [t for c in job["static_configs"] for t in c["targets"]] + [
            r["replacement"] for r in job.get("relabel_configs", []) if r.get("target_label") == "__address__"
        ]
        assert addresses[-1].startswith("127.0.0.1:"), job["job_name"]


def test_apps_are_read_every_15_seconds():
    assert prometheus.config(TARGETS, "web1")["global"]["scrape_interval"] == "15s"
    job = jobs()["shop-api"]
    assert "scrape_interval" not in job
    assert job["metrics_path"] == "/shop/api"
    assert job["static_configs"] == [{"targets": ["127.0.0.1:9080"], "labels": {"app": "shop", "instance": "web1"}}]


def test_nothing_but_the_server_itself():
    config = prometheus.config({}, "web1")
    assert [job["job_name"] for job in config["scrape_configs"]] == ["prometheus", "alertmanager", "node", "blackbox"]


@pytest.mark.parametrize(
    ("address", "http", "tls"),
    [
        pytest.param("", "https://shop.example:8443/health?deep=1", "shop.example:443", id="by DNS"),
        pytest.param("127.0.0.1", "https://127.0.0.1:8443/health?deep=1", "127.0.0.1:443", id="at an address"),
        pytest.param("::1", "https://[::1]:8443/health?deep=1", "[::1]:443", id="at an IPv6 address"),
    ],
)
def test_probes(address, http, tls):
    found = jobs(probe_address=address)
    page, handshake = found["probe"]["static_configs"][0], found["certificate"]["static_configs"][0]
    assert page["targets"] == [http]
    assert handshake["targets"] == [tls]
    assert page["labels"]["instance"] == TARGETS["probes"][0]["url"]
    assert handshake["labels"]["domain"] == "shop.example"
    # Elsewhere than DNS says, the name still goes into SNI and Host.
    assert page["labels"].get("__param_hostname") == ("shop.example" if address else None)


def test_every_probe_names_a_module_that_there_is():
    modules = prometheus.blackbox(TARGETS["certificates"])["modules"]
    found = jobs()
    used = {c["labels"]["__param_module"] for job in ("probe", "certificate") for c in found[job]["static_configs"]}
    assert used == set(modules)
    assert modules["tls shop.example"]["tcp"]["tls_config"]["server_name"] == "shop.example"


def test_expectations_are_series_that_rules_can_compare_with():
    shop, backup = {"app": "shop"}, {"backup": "shop-db", "app": "shop"}
    targets = {
        **TARGETS,
        "backups": [*TARGETS["backups"], {"name": "shop-db", **shop, "max_age": 93600, "rpo": 86400}],
        "recoveries": [{**shop, "rto": 900}],
    }
    assert prometheus.expectations(targets)["groups"][0]["rules"] == [
        {"record": "mainstay:backup_max_age_seconds", "expr": "vector(93600)", "labels": backup},
        {"record": "mainstay:backup_max_age_seconds", "expr": "vector(93600)", "labels": backup},
        {"record": "mainstay:backup_rpo_seconds", "expr": "vector(86400)", "labels": backup},
        {"record": "mainstay:app_rto_seconds", "expr": "vector(900)", "labels": shop},
    ]
    assert prometheus.expectations({})["groups"][0]["rules"] == []


@pytest.mark.parametrize("ca_file", ["", "/etc/ca.pem"], ids=["public", "private"])
def test_blackbox_always_verifies(ca_file):
    modules = prometheus.blackbox(["shop.example"], ca_file)["modules"]
    for module in modules.values():
        tls = module[module["prober"]]["tls_config"]
        assert tls.get("ca_file") == (ca_file or None)
        assert "insecure_skip_verify" not in tls

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus and blackbox exporter: their configuration from what is to be watched. Pure; plain data.

Formats: prometheus.io/docs/prometheus/latest/configuration and blackbox_exporter's CONFIGURATION.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

PROMETHEUS = "127.0.0.1:9090"
ALERTMANAGER = "127.0.0.1:9093"
NODE = "127.0.0.1:9100"
BLACKBOX = "127.0.0.1:9115"
# A handshake only to read a date need not happen as often; beyond 5 minutes, though, Prometheus forgets a series.
CERTIFICATE_INTERVAL = "2m"

Targets = Mapping[str, Any]


def config(targets: Targets, server: str, probe_address: str = "") -> dict[str, Any]:
    """Return prometheus.yml.

    ``targets`` is the projection ``monitoring_targets``; ``server`` the name that this server has in alerts;
    ``probe_address`` the address where the probes look for the sites instead of asking DNS.
    """
    own = {"prometheus": PROMETHEUS, "alertmanager": ALERTMANAGER, "node": NODE, "blackbox": BLACKBOX}
    jobs: list[dict[str, Any]] = [
        {"job_name": job, "static_configs": [{"targets": [address], "labels": {"instance": server}}]}
        for job, address in own.items()
    ]
    jobs += [_scrape(scrape, server) for scrape in targets.get("scrapes") or []]
    probes = [_http(probe, probe_address) for probe in targets.get("probes") or []]
    if probes:
        jobs.append(_probe("probe", probes))
    certificates = [_tls(domain, probe_address) for domain in targets.get("certificates") or []]
    if certificates:
        jobs.append(_probe("certificate", certificates) | {"scrape_interval": CERTIFICATE_INTERVAL})
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s", "external_labels": {"server": server}},
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [ALERTMANAGER]}]}]},
        "rule_files": ["rules/*.yml"],
        "scrape_configs": jobs,
    }


def _scrape(scrape: Mapping[str, Any], server: str) -> dict[str, Any]:
    labels = {"app": scrape["app"], "instance": server}
    return {
        "job_name": scrape["job"],
        "metrics_path": scrape["path"],
        "static_configs": [{"targets": [scrape["address"]], "labels": labels}],
    }


def _http(probe: Mapping[str, Any], address: str) -> dict[str, Any]:
    url = urlsplit(probe["url"])
    labels = {"app": probe["app"], "instance": probe["url"], "__param_module": "http"}
    if not address:
        return {"targets": [probe["url"]], "labels": labels}
    at = urlunsplit(url._replace(netloc=_netloc(address, url.port)))
    return {"targets": [at], "labels": labels | {"__param_hostname": url.hostname or ""}}


def _tls(domain: str, address: str) -> dict[str, Any]:
    labels = {"domain": domain, "instance": domain, "__param_module": _tls_module(domain)}
    return {"targets": [_netloc(address or domain, 443)], "labels": labels}


def _netloc(host: str, port: int | None) -> str:
    return (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")


def _tls_module(domain: str) -> str:
    return f"tls {domain}"


def _probe(job: str, static_configs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "job_name": job,
        "metrics_path": "/probe",
        "static_configs": static_configs,
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"target_label": "__address__", "replacement": BLACKBOX},
        ],
    }


def blackbox(certificates: Iterable[str], ca_file: str = "") -> dict[str, Any]:
    """Return blackbox.yml: a module for pages, and one for each domain whose certificate is to be looked at.

    ``ca_file`` holds the authority of the sites' certificates, if it is not a public one. The name stands in the module
    because the exporter of Debian 12 (0.23) takes none from the request when it only shakes hands.
    """
    common = {"preferred_ip_protocol": "ip4", "ip_protocol_fallback": True}
    authority = {"ca_file": ca_file} if ca_file else {}
    modules: dict[str, Any] = {"http": {"prober": "http", "timeout": "10s", "http": common | {"tls_config": authority}}}
    for domain in certificates:
        tls = {"tls": True, "tls_config": authority | {"server_name": domain}}
        modules[_tls_module(domain)] = {"prober": "tcp", "timeout": "10s", "tcp": common | tls}
    return {"modules": modules}


def expectations(targets: Mapping[str, Any]) -> dict[str, Any]:
    """Return a rules file that says, as series, what is promised: of each backup how old it may be, of each app in how
    much time it is back (all in seconds). ``targets`` is what the role calls ``monitoring_targets``.

    The alerts compare with these, so they are the same for every server, and one about a backup that has never
    been made can fire though nothing has ever been measured.
    """
    backups, recoveries = targets.get("backups") or [], targets.get("recoveries") or []
    return {
        "groups": [
            {
                "name": "expected",
                "rules": [
                    *(_expected("mainstay:backup_max_age_seconds", item, "max_age") for item in backups),
                    *(_expected("mainstay:backup_rpo_seconds", item, "rpo") for item in backups if item.get("rpo")),
                    *(_expected("mainstay:app_rto_seconds", item, "rto") for item in recoveries),
                ],
            }
        ]
    }


def _expected(series: str, item: Mapping[str, Any], key: str) -> dict[str, Any]:
    labels = {"backup": item["name"]} if "name" in item else {}
    return {"record": series, "expr": f"vector({int(item[key])})", "labels": {**labels, "app": item["app"]}}

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of fail2ban against the log format of nginx and ufw's lines: what bans, and what does not."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path

import jinja2
import pytest

ROLES = Path(__file__).parents[5] / "roles"
FILTER = (ROLES / "hardening/templates/fail2ban-filter.conf.j2").read_text()
NGINX = (ROLES / "nginx/templates/nginx.conf.j2").read_text()
FORMAT = "".join(re.findall(r"'(.*)'", re.search(r"log_format mainstay escape=json\n(.*?);\n", NGINX, re.DOTALL)[1]))
VISIT = {
    "time_iso8601": "2026-11-21T08:30:00+00:00", "request_id": "0af1", "remote_addr": "192.0.2.9",
    "realip_remote_addr": "192.0.2.9", "host": "shop.example", "request_method": "GET", "mainstay_path": "/",
    "status": "200", "body_bytes_sent": "0", "request_time": "0.000", "upstream_addr": "127.0.0.1:20011",
    "upstream_status": "200", "upstream_response_time": "0.001", "server_protocol": "HTTP/1.1",
    "ssl_protocol": "TLSv1.3", "http_user_agent": "Mozilla/5.0",
}  # fmt: skip
REFUSED = {"upstream_addr": "", "upstream_status": "", "upstream_response_time": ""}
RULES = ("limits", "scanners", "bots", "logins")


def line(**values):
    """A line of the access log, as nginx escapes it."""
    filled = {name: json.dumps(value)[1:-1] for name, value in {**VISIT, **values}.items()}
    return re.sub(r"\$(\w+)", lambda match: filled[match[1]], FORMAT)


def options():
    parser = configparser.ConfigParser()
    parser.optionxform = str
    parser.read_string(FILTER)
    return parser["Definition"]


def found(rule, text, whole_key):
    """The address that a rule finds. fail2ban cuts the date out, with its key or, in other versions, without."""
    date = r'"time":"[^"]*"' if whole_key else r'(?<="time":")[^"]*'
    patterns = options()[f"_{rule}"].replace("<HOST>", r"(?P<host>[0-9a-f:.]+)").splitlines()
    matches = (re.search(pattern.strip(), re.sub(date, "", text, count=1)) for pattern in patterns)
    return next((match["host"] for match in matches if match), None)


CASES = [
    pytest.param({}, [], id="a visitor"),
    pytest.param({"status": "404", "mainstay_path": "/missing"}, [], id="a wrong address"),
    pytest.param({"status": "429", **REFUSED}, ["limits"], id="limited by nginx"),
    pytest.param({"status": "429", "upstream_status": "429"}, [], id="limited by an app"),
    pytest.param({"status": "404", "mainstay_path": "/wp-login.php"}, ["scanners"], id="WordPress"),
    pytest.param({"status": "404", "mainstay_path": "/api/.env"}, ["scanners"], id="a dot-file"),
    pytest.param({"status": "200", "mainstay_path": "/wp-login.php"}, [], id="an app that has such a path"),
    pytest.param({"status": "400", "mainstay_path": "/a/%2e%2e/%2e%2e/b"}, ["scanners"], id="a way out of the tree"),
    pytest.param({"status": "404", "mainstay_path": "/phpMyAdmin/index.php"}, ["scanners"], id="below such a path"),
    pytest.param({"status": "404", "mainstay_path": "/.env.production"}, ["scanners"], id="a kind of dot-file"),
    pytest.param({"status": "400", "mainstay_path": "/x/..%2F..%2fetc"}, ["scanners"], id="a way out, half encoded"),
    pytest.param({"status": "404", "mainstay_path": "/docs/shell-scripts"}, [], id="a page on shells"),
    pytest.param({"status": "404", "mainstay_path": "/shell"}, [], id="a page named so"),
    pytest.param({"status": "404", "mainstay_path": "/blog/solr"}, [], id="a page on a program"),
    pytest.param({"status": "404", "mainstay_path": "/assets/config.json"}, [], id="what an app itself asks for"),
    pytest.param({"status": "404", "mainstay_path": "/telescope/"}, [], id="a shop of telescopes"),
    pytest.param(
        {"status": "404", "mainstay_path": "/wp-content/uploads/2019/05/cat.jpg"}, [],
        id="an image of a former WordPress",
    ),
    pytest.param(
        {"status": "404", "mainstay_path": "/autodiscover/autodiscover.xml"}, [],
        id="a mail program of one's own people",
    ),
    pytest.param({"status": "404", "mainstay_path": "/actuator/health"}, [], id="a monitoring at the wrong address"),
    pytest.param({"status": "404", "mainstay_path": "/.github/workflows"}, [], id="a name that only begins so"),
    pytest.param({"http_user_agent": "PetalBot; +https://webmaster.petalsearch.com"}, [], id="a lesser search engine"),
    pytest.param({"http_user_agent": "OpenMapTiles/3"}, [], id="a name that holds that of a tool"),
    pytest.param({"http_user_agent": "ory-hydra-client/2"}, [], id="a namesake of a tool"),
    pytest.param({"http_user_agent": "Mozilla/5.0 (Hydra)"}, ["bots"], id="the tool itself"),
    pytest.param(
        {"request_method": "POST", "mainstay_path": "/api/authors", "status": "403"}, [], id="authors are no logins"
    ),
    pytest.param(
        {"request_method": "POST", "mainstay_path": "/api/user_sessions", "status": "401"}, ["logins"],
        id="a wrong password elsewhere",
    ),
    pytest.param({"status": "444", "host": "192.0.2.1", **REFUSED}, [], id="a health check by address"),
    pytest.param({"http_user_agent": "sqlmap/1.8"}, ["bots"], id="a tool that says so"),
    pytest.param({"http_user_agent": "Googlebot/2.1"}, [], id="a search engine"),
    pytest.param(
        {"request_method": "POST", "mainstay_path": "/api/v1/auth/login", "status": "401"}, ["logins"],
        id="a wrong password",
    ),
    pytest.param({"mainstay_path": "/api/v1/auth/me", "status": "401"}, [], id="a session that has ended"),
    pytest.param(
        {"mainstay_path": '/","client":"198.51.100.7","path":"/wp-login.php', "status": "404"}, ["scanners"],
        id="somebody who would have another banned",
    ),
    pytest.param({"remote_addr": "2001:db8::9", "http_user_agent": "nikto"}, ["bots"], id="IPv6"),
]  # fmt: skip


@pytest.mark.parametrize("whole_key", [True, False], ids=["date with its key", "date alone"])
@pytest.mark.parametrize(("values", "expected"), CASES)
def test_rules(values, expected, whole_key):
    said = {rule: found(rule, line(**values), whole_key) for rule in RULES}
    address = values.get("remote_addr", "192.0.2.9")
    assert {rule: host for rule, host in said.items() if host} == dict.fromkeys(expected, address)


def test_each_jail_has_its_rule():
    jails = (ROLES / "hardening/templates/jail.local.j2").read_text()
    assert set(re.findall(r"mainstay-nginx\[rule=(\w+)\]", jails)) == set(RULES)
    assert {name for name in options() if re.fullmatch("_[a-z]+", name)} == {f"_{r}" for r in RULES} | {"_paths"}


PORTS = (ROLES / "hardening/templates/fail2ban-ports.conf.j2").read_text()
FRAME = (
    "IN=eth0 OUT= MAC=02:42:ac:11:00:02:02:42:ac:11:00:03:08:00 SRC=192.0.2.9 DST=198.51.100.1 LEN=60 TOS=0x00 TTL=64"
)
SIX = "IN=eth0 OUT= MAC=02:42 SRC=2001:0db8:0000:0000:0000:0000:0000:0009 DST=2001:0db8::1 LEN=80 TC=0 HOPLIMIT=64"
SYN = "PROTO=TCP SPT=43210 DPT=8443 WINDOW=64240 RES=0x00 SYN URGP=0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"srv kernel: [ 12.345678] [UFW BLOCK] {FRAME} ID=1 DF {SYN}", "192.0.2.9", id="a closed port"),
        pytest.param(f"srv kernel: [UFW BLOCK] {FRAME} {SYN}", "192.0.2.9", id="without a time"),
        pytest.param(
            f"srv kernel: [UFW BLOCK] {SIX} {SYN}", "2001:0db8:0000:0000:0000:0000:0000:0009", id="by IPv6"
        ),
        pytest.param(f"srv kernel: [UFW ALLOW] {FRAME} {SYN}", None, id="an open one"),
        pytest.param(f"srv kernel: [UFW BLOCK] {FRAME} PROTO=UDP SPT=53 DPT=9 LEN=40", None, id="a datagram"),
        pytest.param(
            f"srv kernel: [UFW BLOCK] {FRAME} PROTO=TCP SPT=443 DPT=50000 WINDOW=0 RES=0x00 ACK RST URGP=0", None,
            id="a late answer",
        ),
        pytest.param(f"srv kernel: [UFW BLOCK] IN= OUT=eth0 SRC=192.0.2.9 DST=198.51.100.1 {SYN}", None, id="our own"),
        pytest.param(f"srv shop[1]: kernel: [UFW BLOCK] {FRAME} {SYN}", "192.0.2.9", id="a forgery: see journalmatch"),
    ],
)  # fmt: skip
def test_ports(text, expected):
    parser = configparser.RawConfigParser()
    parser.read_string(PORTS)
    assert parser["Definition"]["journalmatch"] == "_TRANSPORT=kernel"
    pattern = parser["Definition"]["failregex"].replace("<HOST>", r"(?P<host>[0-9a-f:.]+)")
    match = re.search(pattern, text)
    assert (match and match["host"]) == expected


@pytest.mark.parametrize("proxies", [[], ["198.51.100.0/24"]], ids=["nobody before nginx", "behind a CDN"])
def test_who_makes_the_bans(proxies):
    jinja = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True)
    numbers = dict.fromkeys(("failures", "window", "time", "requests", "logins"), 1)
    text = jinja.from_string((ROLES / "hardening/templates/jail.local.j2").read_text()).render(
        {f"hardening_ban_{name}": value for name, value in numbers.items()},
        hardening_trusted_proxies=proxies, hardening_ban_ignore=[], __hardening_never_banned=["192.0.2.1"],
        __hardening_preflight={"ssh_ports": [22]}, __hardening_plan={"on": ["bans-nginx", "bans-recidive", "bans-ssh"]},
    )  # fmt: skip
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    assert parser["DEFAULT"]["ignoreip"].split()[2:] == ["192.0.2.1", *proxies]
    by_nginx = {name for name, jail in parser.items() if jail.get("action", "").split()[1:] == ["mainstay-nginx"]}
    assert by_nginx == ({*(f"nginx-{rule}" for rule in RULES), "recidive"} if proxies else set())
    assert {name for name, jail in parser.items() if jail.get("enabled") == "false"} == {"port-scans"}

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.host import ufw
from ansible_collections.mainstay.platform.plugins.module_utils.host.ufw import Firewall, Rule

HTTP, HTTPS = Rule("80", "tcp"), Rule("443", "tcp")
SSH, SSH6 = Rule("22", "tcp"), Rule("22", "tcp", "2001:db8::/32")
DEFAULTS = dict(ufw.POLICIES)


def firewall(rules=None, *, active=True, ipv6=True, policies=None, foreign=None):
    return Firewall(active, ipv6, DEFAULTS | (policies or {}), dict(rules or {}), foreign or [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("192.0.2.0/24", "192.0.2.0/24", id="v4 network"),
        pytest.param("192.0.2.7", "192.0.2.7", id="v4 address"),
        pytest.param("192.0.2.7/32", "192.0.2.7", id="ufw drops /32"),
        pytest.param("2001:DB8:0::/32", "2001:db8::/32", id="v6 is compressed and lower case"),
        pytest.param("2001:db8::1/128", "2001:db8::1", id="ufw drops /128"),
    ],
)
def test_network(text, expected):
    assert ufw.network(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            "office", "'office' is not an address or network (try '192.0.2.0/24' or '2001:db8::/32')", id="a word"
        ),
        pytest.param(
            "192.0.2.0/33",
            "'192.0.2.0/33' is not an address or network (try '192.0.2.0/24' or '2001:db8::/32')",
            id="prefix",
        ),
        pytest.param("192.0.2.7/24", "'192.0.2.7/24' has host bits set (try '192.0.2.0/24')", id="host bits v4"),
        pytest.param("2001:db8::1/64", "'2001:db8::1/64' has host bits set (try '2001:db8::/64')", id="host bits v6"),
        pytest.param("0.0.0.0/0", "'0.0.0.0/0' is everything: leave it out instead", id="everything v4"),
        pytest.param("::/0", "'::/0' is everything: leave it out instead", id="everything v6"),
    ],
)
def test_network_refused(text, message):
    with pytest.raises(ValueError) as caught:
        ufw.network(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("value", [0, 65536, "22-23", "9:1", "", None, -1, "80,443"])
def test_port_refused(value):
    with pytest.raises(ValueError, match=r"is not a port \(try 443 or '8000:8010'\)"):
        ufw.port(value)


def test_rules_report_every_error_with_its_path():
    good, errors = ufw.rules(
        [{"port": 80}, {"port": 0, "from": "x"}, {"port": "8000:8010", "proto": "udp", "from": "::1"}], "rules"
    )
    assert good == {HTTP: "allow", Rule("8000:8010", "udp", "::1"): "allow"}
    assert errors == [
        "rules[1].port: '0' is not a port (try 443 or '8000:8010')",
        "rules[1].from: 'x' is not an address or network (try '192.0.2.0/24' or '2001:db8::/32')",
    ]


def test_sources_report_every_error_and_drop_doubles():
    good, errors = ufw.sources(["192.0.2.1", "a", "192.0.2.1/32", "b"], "allowed")
    assert good == ["192.0.2.1"]
    assert [e.partition(":")[0] for e in errors] == ["allowed[1]", "allowed[3]"]


@pytest.mark.parametrize(
    ("ports", "allowed", "expected"),
    [
        pytest.param([22], [], {SSH: "limit"}, id="anyone, limited"),
        pytest.param([22], ["2001:db8::/32"], {SSH6: "allow"}, id="the allowed, unlimited, nobody else"),
        pytest.param([22, 2222], [], {SSH: "limit", Rule("2222", "tcp"): "limit"}, id="every port of the server"),
    ],
)
def test_ssh_rules(ports, allowed, expected):
    assert ufw.ssh_rules(ports, allowed) == expected


# ufw 0.36.2, as Debian 12 and 13 have it
ADDED = """\
Added user rules (see 'ufw status' for running firewall):
ufw limit 22/tcp comment 'mainstay'
ufw allow 443/tcp
ufw allow from 192.0.2.0/24 to any port 22 proto tcp comment 'the office's door'
ufw allow from 2001:db8::/32 to any port 22 proto tcp
ufw allow 53
ufw allow 'Nginx Full'
ufw deny from 198.51.100.9
ufw allow in on docker0 to any port 53
ufw route allow in on eth0 out on docker0
""".replace("office's", "office")


def test_parse_added():
    rules, foreign = ufw.parse_added(ADDED)
    assert rules == {SSH: "limit", HTTPS: "allow", Rule("22", "tcp", "192.0.2.0/24"): "allow", SSH6: "allow"}
    assert foreign == [
        ["allow", "53"],
        ["allow", "Nginx Full"],
        ["deny", "from", "198.51.100.9"],
        ["allow", "in", "on", "docker0", "to", "any", "port", "53"],
        ["route", "allow", "in", "on", "eth0", "out", "on", "docker0"],
    ]


def test_parse_added_nothing():
    assert ufw.parse_added("Added user rules (see 'ufw status' for running firewall):\n(None)\n") == ({}, [])


@pytest.mark.parametrize(
    ("text", "policies", "ipv6"),
    [
        pytest.param(
            'IPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\nDEFAULT_OUTPUT_POLICY="ACCEPT"\nDEFAULT_FORWARD_POLICY="DROP"\n',
            {"incoming": "deny", "outgoing": "allow", "routed": "deny"},
            True,
            id="Debian's own",
        ),
        pytest.param(
            'IPV6="no"\nDEFAULT_INPUT_POLICY="ACCEPT"\nDEFAULT_OUTPUT_POLICY="REJECT"\n#DEFAULT_FORWARD_POLICY=x\n',
            {"incoming": "allow", "outgoing": "reject", "routed": "unset"},
            False,
            id="open, IPv6 off, one policy missing",
        ),
    ],
)
def test_parse_defaults(text, policies, ipv6):
    assert ufw.parse_defaults(text) == (policies, ipv6)


@pytest.mark.parametrize("text", ["IPV6=no\nA=1\n", 'A=1\nIPV6="no"\n', "A=1"], ids=["first", "last", "missing"])
def test_with_ipv6(text):
    assert ufw.with_ipv6(text) == "A=1\nIPV6=yes\n"


WANT = ufw.target({SSH: "limit", HTTP: "allow"})
OPEN_SSH = ["limit", "22/tcp", "comment", "mainstay"]
OPEN_HTTP = ["allow", "80/tcp", "comment", "mainstay"]


@pytest.mark.parametrize(
    ("now", "calls"),
    [
        pytest.param(firewall({SSH: "limit", HTTP: "allow"}), [], id="nothing to do"),
        pytest.param(firewall({HTTP: "allow", SSH: "limit"}), [], id="order does not matter"),
        pytest.param(
            firewall(active=False), [OPEN_SSH, OPEN_HTTP, ["--force", "enable"]], id="bare: open before enable"
        ),
        pytest.param(
            firewall(active=False, policies={"incoming": "allow", "routed": "unset"}),
            [
                OPEN_SSH,
                OPEN_HTTP,
                ["default", "deny", "incoming"],
                ["default", "deny", "routed"],
                ["--force", "enable"],
            ],
            id="defaults after rules, before enable",
        ),
        pytest.param(
            firewall({SSH6: "allow", HTTP: "allow"}),
            [OPEN_SSH, ["--force", "delete", "allow", *SSH6.words()]],
            id="allow-list given up: open before close",
        ),
        pytest.param(firewall({SSH: "allow", HTTP: "allow"}), [OPEN_SSH], id="another action replaces in place"),
        pytest.param(
            firewall(
                {SSH: "limit", HTTP: "allow"}, foreign=[["allow", "Nginx Full"], ["route", "allow", "in", "on", "a"]]
            ),
            [["--force", "delete", "allow", "Nginx Full"], ["--force", "route", "delete", "allow", "in", "on", "a"]],
            id="rules of others go",
        ),
        pytest.param(
            firewall({SSH: "limit", HTTP: "allow"}, ipv6=False),
            [OPEN_SSH, OPEN_HTTP, ["reload"]],
            id="IPv6 was off: all rules again, for both",
        ),
    ],
)
def test_plan(now, calls):
    assert ufw.plan(now, WANT) == calls


def test_plan_changing_the_allow_list_opens_before_it_closes():
    calls = ufw.plan(firewall({SSH: "limit"}), ufw.target(ufw.ssh_rules([22], ["192.0.2.0/24"])))
    assert [c[0] for c in calls] == ["allow", "--force"]


def test_plan_absent_switches_off_first():
    now = firewall({SSH: "limit"}, foreign=[["allow", "53"]])
    assert ufw.plan_absent(now) == [
        ["--force", "disable"],
        ["--force", "delete", "limit", "22/tcp"],
        ["--force", "delete", "allow", "53"],
    ]
    assert ufw.plan_absent(Firewall()) == []


def test_describe_names_what_a_diff_must_show():
    assert firewall({SSH: "limit", SSH6: "allow"}, foreign=[["allow", "53"]]).describe() == (
        "active, IPv6 on\ndefault deny incoming\ndefault allow outgoing\ndefault deny routed\n"
        "allow from 2001:db8::/32 to any port 22 proto tcp\nlimit 22/tcp\nallow 53\n"
    )

# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.mainstay.platform.plugins.module_utils.host import ssh

OPERATOR = ssh.Session("192.0.2.7", 22, "deploy")


@pytest.mark.parametrize(
    ("environs", "expected"),
    [
        pytest.param(
            [{"SSH_CONNECTION": "192.0.2.7 51000 10.0.0.1 22", "USER": "root"}],
            ssh.Session("192.0.2.7", 22, "root"),
            id="directly",
        ),
        pytest.param(
            [
                {"USER": "root"},
                {"SUDO_USER": "deploy"},
                {"SSH_CONNECTION": "192.0.2.7 51000 10.0.0.1 2222", "USER": "deploy"},
            ],
            ssh.Session("192.0.2.7", 2222, "deploy"),
            id="through sudo: the login's user, not root",
        ),
        pytest.param(
            [{"SSH_CONNECTION": "2001:db8::7 51000 2001:db8::1 22", "LOGNAME": "a"}],
            ssh.Session("2001:db8::7", 22, "a"),
            id="IPv6",
        ),
        pytest.param(
            [{"SSH_CONNECTION": "fe80::7%eth0 51000 fe80::1%eth0 22", "USER": "a"}],
            ssh.Session("fe80::7", 22, "a"),
            id="link-local",
        ),
        pytest.param(
            [{"SSH_CONNECTION": "::ffff:192.0.2.7 5 ::ffff:10.0.0.1 22", "USER": "a"}],
            ssh.Session("192.0.2.7", 22, "a"),
            id="mapped IPv4",
        ),
        pytest.param([{"USER": "root"}, {}], None, id="a timer"),
        pytest.param([{"SSH_CONNECTION": ""}], None, id="empty"),
    ],
)
def test_session(environs, expected):
    assert ssh.session(environs) == expected


def test_parse_effective_keeps_every_port():
    values = ssh.parse_effective("port 22\nport 2222\nPasswordAuthentication no\nauthorizedkeysfile .ssh/a .ssh/b\n")
    assert values["port"] == ["22", "2222"]
    assert values["passwordauthentication"] == ["no"]
    assert values["authorizedkeysfile"] == [".ssh/a .ssh/b"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param("port 22\nlistenaddress 0.0.0.0:22\nlistenaddress [::]:22\n", ["Port 22"], id="every address"),
        pytest.param(
            "port 2222\nlistenaddress 10.0.0.1:2222\naddressfamily inet\n",
            ["Port 2222", "AddressFamily inet", "ListenAddress 10.0.0.1:2222"],
            id="one address",
        ),
        pytest.param("trustedusercakeys none\nauthorizedkeyscommand none\naddressfamily any\n", [], id="none"),
        pytest.param(
            "trustedusercakeys /etc/ssh/ca.pub\nallowusers a\nallowusers b\npasswordauthentication yes\n",
            ["TrustedUserCAKeys /etc/ssh/ca.pub", "AllowUsers a", "AllowUsers b"],
            id="who comes in, and no more",
        ),
        pytest.param("authenticationmethods any\n", [], id="any method"),
        pytest.param(
            "authenticationmethods publickey,keyboard-interactive\n",
            ["AuthenticationMethods publickey,keyboard-interactive"],
            id="a second factor",
        ),
    ],
)
def test_kept(lines, expected):
    assert ssh.kept(ssh.parse_effective(lines)) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param("# Example\n#Match User anoncvs\n#\tForceCommand cvs server\n", [], id="a comment"),
        pytest.param("UsePAM yes\nMatchless x\n", [], id="none"),
        pytest.param(
            "UsePAM yes\nMatch Group sftponly\n  ForceCommand internal-sftp\nmatch\tall\n",
            ["Match Group sftponly", "match\tall"],
            id="blocks",
        ),
    ],
)
def test_conditional(config, expected):
    assert ssh.conditional(config) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(
            ".ssh/authorized_keys .ssh/authorized_keys2",
            ["/home/a/.ssh/authorized_keys", "/home/a/.ssh/authorized_keys2"],
            id="default",
        ),
        pytest.param(
            "/etc/ssh/keys/%u %h/keys /x/%U/100%%", ["/etc/ssh/keys/a", "/home/a/keys", "/x/1000/100%"], id="tokens"
        ),
        pytest.param("none", [], id="none"),
    ],
)
def test_key_files(value, expected):
    assert ssh.key_files({"authorizedkeysfile": [value]}, "a", "/home/a", 1000) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ssh-ed25519 AAAA a@b\n", True),
        ("\n# none yet\n", False),
        ("", False),
        ('from="10.0.0.0/8" ssh-rsa AAAA', True),
    ],
    ids=["a key", "comments", "empty", "a key with options"],
)
def test_has_key(text, expected):
    assert ssh.has_key(text) is expected


@pytest.mark.parametrize(
    ("effective", "expected"),
    [
        pytest.param(
            {"authorizedkeyscommand": ["none"], "trustedusercakeys": ["none"], "gssapiauthentication": ["no"]},
            False,
            id="files only",
        ),
        pytest.param({"authorizedkeyscommand": ["/usr/bin/sss_ssh_authorizedkeys"]}, True, id="a command"),
        pytest.param({"trustedusercakeys": ["/etc/ssh/ca.pub"]}, True, id="an authority"),
        pytest.param({"gssapiauthentication": ["yes"]}, True, id="Kerberos"),
    ],
)
def test_keys_come_from_elsewhere(effective, expected):
    assert ssh.keys_come_from_elsewhere(effective) is expected


@pytest.mark.parametrize(
    ("session", "allowed", "has_key", "options", "expected"),
    [
        pytest.param(OPERATOR, [], True, {}, [], id="anyone may"),
        pytest.param(OPERATOR, ["2001:db8::/32", "192.0.2.0/24"], True, {}, [], id="inside"),
        pytest.param(None, ["203.0.113.0/24"], True, {"PermitRootLogin": "no"}, [], id="not connected by SSH"),
        pytest.param(
            OPERATOR,
            ["203.0.113.0/24", "2001:db8::/32"],
            True,
            {},
            [
                "hardening_ssh_allowed_sources: you are connected from 192.0.2.7, which is in none of 203.0.113.0/24, "
                "2001:db8::/32: add it, or connect from an address that is in the list"
            ],
            id="outside",
        ),
        pytest.param(
            OPERATOR,
            [],
            False,
            {},
            [
                "password logins are about to be switched off, and user 'deploy' has no key on the server: "
                "add one first (ssh-copy-id deploy@…)"
            ],
            id="no key",
        ),
        pytest.param(
            ssh.Session("192.0.2.7", 22, "root"),
            [],
            True,
            {"permitRootLogin": False},
            [
                "hardening_ssh_options.PermitRootLogin: 'false' would lock out root, as whom you are connected: "
                "connect as another user, or leave it out"
            ],
            id="root forbids root",
        ),
        pytest.param(
            ssh.Session("192.0.2.7", 22, "root"),
            [],
            True,
            {"PermitRootLogin": "prohibit-password"},
            [],
            id="root with keys",
        ),
        pytest.param(OPERATOR, [], True, {"PermitRootLogin": "no"}, [], id="another user forbids root"),
    ],
)
def test_check(session, allowed, has_key, options, expected):
    assert ssh.check(session, allowed, has_key, options) == expected

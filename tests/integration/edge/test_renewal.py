# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates over their life: renewed, by DNS, by another authority, not named any more. Needs the test bed.

certbot renews what is valid for less than 30 days, so two more authorities issue for 29 and for 10 days. They ask the
name server that runs on the test server itself, in whose zone certbot writes by RFC 2136.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.cloud import images
from testbed.cloud.docker import LABEL
from testbed.cloud.places import NETWORK, STATE
from testbed.outside import bed, run

from .test_edge import RESET, Server, changed

SECRET = "bWFpbnN0YXkgdGVzdCBiZWQga2V5IGZvciBUU0lHISE="
NAMED = """
key "mainstay." { algorithm hmac-sha256; secret "%s"; };
zone "renew.example" {
    type primary; file "/var/lib/bind/renew.example";
    update-policy { grant mainstay. name _acme-challenge.renew.example. TXT; };
};
"""
ZONE = """$TTL 1
@ SOA ns.renew.example. root.renew.example. 1 60 60 60 1
@ NS ns
@ A %(address)s
www A %(address)s
ns A %(address)s
"""
DNS = {
    "plugin": "rfc2136",
    "credentials": {"server": "127.0.0.1", "name": "mainstay.", "secret": SECRET, "algorithm": "HMAC-SHA256"},
    "propagation_seconds": 1,
}
# Providers that nobody here has an account with: names of theirs lead to a host of the bed that does not answer.
PROVIDERS = {
    "cloudflare": ({"api_token": "planted-cloudflare-Rw3kT9pLs6Vx1Qz8"}, ["api.cloudflare.com"], "certbot"),
    "azure": (
        {
            "sp_client_id": "00000000-0000-0000-0000-00000000000a",
            "sp_client_secret": "planted-azure-Hq7vN2wKx7Lm4Rt9",
            "tenant_id": "00000000-0000-0000-0000-00000000000b",
            "zone1": "renew.example:/subscriptions/x/resourceGroups/y",
        },
        ["login.microsoftonline.com", "management.azure.com"],
        "/opt/mainstay/certbot/bin/certbot",
    ),
}
PEBBLE = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
TLS = "/etc/mainstay/tls"


def authority(name: str, days: int, server: Server, folder: Path, port: int = 14000) -> str:
    """Start an authority of this name whose certificates last so long; answers the URL of its directory."""
    settings = {
        "listenAddress": f"0.0.0.0:{port}",
        "managementListenAddress": "0.0.0.0:15000",
        "certificate": "/etc/bed/cert.pem",
        "privateKey": "/etc/bed/key.pem",
        "httpPort": 80,
        "tlsPort": 443,
        "retryAfter": {"authz": 1, "order": 1},
        "certificateValidityPeriod": days * 86400,
        "ocspResponderURL": f"http://{server.name}:8888",
    }
    folder.mkdir()
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    (folder / "extensions").write_text(f"subjectAltName=DNS:{name}\n")
    key = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}")
    run(*key, "-keyout", str(folder / "key.pem"), "-out", str(folder / "request.pem"))
    sign = ("openssl", "x509", "-req", "-CA", str(STATE / "ca.pem"), "-CAkey", str(STATE / "ca.key"), "-days", "9")
    run(
        *sign,
        "-extfile",
        str(folder / "extensions"),
        "-in",
        str(folder / "request.pem"),
        "-out",
        str(folder / "cert.pem"),
    )
    variables = [part for item in PEBBLE.items() for part in ("--env", "=".join(item))]
    run(
        *("docker", "run", "--detach", "--init", "--name", name, "--network", NETWORK, "--network-alias", name),
        *("--label", LABEL, "--volume", f"{folder}:/etc/bed:ro", *variables, images.services()),
        *("pebble", "-config", "/etc/bed/pebble.json", "-dnsserver", f"{server.address}:53"),
    )
    return f"https://{name}:{port}/dir"


@pytest.fixture(scope="module", params=["trixie", "bookworm"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    name = f"t-edge-renewal-{request.param}"
    bed("server", "up", name, "--release", request.param)
    server = Server(name)
    server.shell("apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq bind9 >/dev/null 2>&1")
    server.shell("cat >/etc/bind/named.conf.local", NAMED % SECRET)
    server.shell("cat >/var/lib/bind/renew.example", ZONE % {"address": server.address})
    server.shell("chown bind: /var/lib/bind/renew.example && systemctl restart named")
    month, ending = f"month-{request.param}.test", f"ending-{request.param}.test"
    folder = tmp_path_factory.mktemp("authorities")
    server.variables = {
        "edge_reset_rate": RESET[request.param],
        "edge_domains": ["renew.example", "www.renew.example"],
        "certbot_directory": authority(month, 29, server, folder / "month"),
        "certbot_deploy_hooks": [
            "nginx -t -q && systemctl try-reload-or-restart nginx",
            "date +%N >/root/taken-by-a-second-program",
        ],
    }
    server.month, server.ending = month, ending  # type: ignore[attr-defined]
    authority(ending, 10, server, folder / "ending")
    yield server
    bed("server", "down", name)
    run("docker", "rm", "--force", "--volumes", month, ending)


def served(server: Server, name: str = "renew.example") -> str:
    """Fingerprint of the certificate that nginx shows."""
    shown = subprocess.run(
        ["openssl", "s_client", "-connect", f"{server.address}:443", "-servername", name],
        input=b"", capture_output=True, check=False,
    ).stdout  # fmt: skip
    return run_openssl(shown.decode(errors="replace"))


def run_openssl(pem: str) -> str:
    done = subprocess.run(["openssl", "x509", "-noout", "-fingerprint"], input=pem, text=True, capture_output=True)
    assert done.returncode == 0, pem
    return done.stdout


def held(server: Server, name: str) -> str:
    return run_openssl(server.shell(f"cat {TLS}/{name}/fullchain.pem"))


def metric(server: Server, name: str) -> str:
    text = server.shell("cat /var/lib/prometheus/node-exporter/mainstay_certificates.prom")
    return "".join(re.findall(rf"^{name}.*? (\d+)$", text, re.M)[:1])


def renew(server: Server) -> str:
    """Run what the timer runs; answers systemd's verdict."""
    server.shell("systemctl start mainstay-certbot.service || true")
    return server.shell("systemctl show -P Result mainstay-certbot.service").strip()


def comes_from(server: Server, name: str = "edge") -> str:
    return re.findall(r"^server = (.*)$", server.shell(f"cat /etc/letsencrypt/renewal/{name}.conf"), re.M)[0]


def test_what_comes_to_its_end_is_renewed_and_taken(server: Server) -> None:
    server.play("site.yml")
    assert changed(server.play("site.yml")) == 0
    before, taken = served(server), server.shell("cat /root/taken-by-a-second-program")
    end = metric(server, "mainstay_certificate_not_after_timestamp_seconds")
    assert 28 < (int(end) - time.time()) / 86400 <= 29
    time.sleep(1)
    assert renew(server) == "success"
    assert served(server) == held(server, "edge") != before
    assert server.shell("cat /root/taken-by-a-second-program") != taken
    assert metric(server, "mainstay_certificates_deployed") == "1"
    assert metric(server, "mainstay_certificate_not_after_timestamp_seconds") > end
    assert changed(server.play("site.yml")) == 0


def test_a_program_that_does_not_take_them_is_told_of(server: Server) -> None:
    before = served(server)
    server.shell("echo nonsense >/etc/nginx/conf.d/nonsense.conf")
    assert renew(server) in ("exit-code", "success")
    assert metric(server, "mainstay_certificates_deployed") == "0"
    assert served(server) == before
    server.shell("rm /etc/nginx/conf.d/nonsense.conf")
    assert changed(server.play("site.yml")) >= 1
    assert metric(server, "mainstay_certificates_deployed") == "1"
    assert served(server) == held(server, "edge") != before


def test_the_authoritys_answer_is_stapled(server: Server) -> None:
    month = server.month  # type: ignore[attr-defined]
    for what in ("roots", "intermediates", "intermediate-keys"):
        server.shell(f"curl -sf https://{month}:15000/{what}/0 >/root/{what}.pem")
    server.shell(
        "cp /root/roots.pem /usr/local/share/ca-certificates/month.crt && update-ca-certificates >/dev/null 2>&1"
    )
    serial = server.shell(f"openssl x509 -in {TLS}/edge/fullchain.pem -noout -serial").strip().partition("=")[2]
    server.shell(f"printf 'V\\t491121000000Z\\t\\t{serial}\\tunknown\\t/CN=x\\n' >/root/index.txt")
    responder = (
        "openssl ocsp -port 8888 -index /root/index.txt -CA /root/intermediates.pem -rsigner /root/intermediates.pem"
    )
    server.shell(f"systemd-run --quiet --unit ocsp {responder} -rkey /root/intermediate-keys.pem -nmin 60")
    assert "ssl_stapling on;" in server.shell(f"cat {TLS}/edge/stapling.conf")
    server.shell("systemctl reload nginx")
    ask = ["openssl", "s_client", "-connect", f"{server.address}:443", "-servername", "renew.example", "-status"]
    for _ in range(15):
        said = subprocess.run(ask, input=b"", capture_output=True, check=False).stdout.decode(errors="replace")
        if "OCSP Response Status: successful" in said:
            break
        time.sleep(1)
    assert "Cert Status: good" in said
    server.shell("systemctl stop ocsp")


def wild(secret: str = SECRET) -> dict[str, object]:
    return {
        "certbot_certificates": [
            {"name": "edge", "domains": ["renew.example", "www.renew.example"]},
            {"name": "wild", "domains": ["renew.example", "*.renew.example"]},
        ],
        "certbot_dns": {**DNS, "credentials": {**DNS["credentials"], "secret": secret}},  # type: ignore[dict-item]
    }


def test_a_wildcard_without_a_plugin(server: Server) -> None:
    output = server.play("site.yml", check=False, **{**wild(), "certbot_dns": {}})
    assert "certificate 'wild': *.renew.example is a wildcard, and certbot_dns names no plugin" in output


def test_a_key_that_the_name_server_refuses(server: Server) -> None:
    wrong = "d3JvbmcgIHdyb25nICB3cm9uZyAgd3JvbmcgIHdyb25nISE="
    output = server.play("site.yml", "--diff", "-vvv", check=False, **wild(wrong))
    assert "certificate 'wild' (renew.example, *.renew.example) was not issued" in output
    assert "Suspect: certbot_dns" in output
    assert wrong not in output
    assert server.shell("stat -c '%a %U' /etc/mainstay/certbot-dns.ini").strip() == "600 root"


@pytest.mark.parametrize("plugin", list(PROVIDERS))
def test_a_provider_that_cannot_be_reached(server: Server, plugin: str) -> None:
    """Its plugin is installed and known to certbot; the certificate that is served stays, and the cause is said."""
    credentials, names, program = PROVIDERS[plugin]
    server.shell(f"echo \"$(getent hosts acme.test | cut -d' ' -f1) {' '.join(names)}\" >>/etc/hosts")
    before = served(server)
    dns = {"plugin": plugin, "credentials": credentials}
    output = server.play("site.yml", "--diff", "-vvv", check=False, **{**wild(), "certbot_dns": dns})
    assert "certificate 'wild' (renew.example, *.renew.example) was not issued" in output
    assert "Suspect: certbot_dns: the provider's API cannot be reached from this server" in output
    assert names[0] in output
    assert "planted-" not in output
    assert f"* dns-{plugin}" in server.shell(f"{program} plugins 2>/dev/null")
    assert server.shell("stat -c '%a %U' /etc/mainstay/certbot-dns.ini").strip() == "600 root"
    assert "planted-" in server.shell("cat /etc/mainstay/certbot-dns.ini")
    assert served(server) == held(server, "edge") == before
    assert renew(server) == "success", "what is by the webroot is renewed all the same"


def test_a_wildcard_by_dns(server: Server) -> None:
    server.play("site.yml", **wild())
    assert changed(server.play("site.yml", **wild())) == 0
    names = server.shell(f"openssl x509 -in {TLS}/wild/fullchain.pem -noout -ext subjectAltName")
    assert "DNS:*.renew.example" in names
    assert "authenticator = dns-rfc2136" in server.shell("cat /etc/letsencrypt/renewal/wild.conf")
    before = held(server, "wild"), held(server, "edge")
    time.sleep(1)
    assert renew(server) == "success"
    assert held(server, "wild") != before[0]
    assert held(server, "edge") != before[1]
    assert "authenticator = webroot" in server.shell("cat /etc/letsencrypt/renewal/edge.conf")


def test_the_plugin_for_azure(server: Server) -> None:
    """Installed and known to certbot, which renews by the webroot all the same; Azure itself is out of reach here."""
    azure = {"plugin": "azure", "credentials": {"msi_system_assigned": True, "zone1": "renew.example:/subscriptions/x"}}
    server.play("site.yml", certbot_dns=azure)
    assert changed(server.play("site.yml", certbot_dns=azure)) == 0
    assert "* dns-azure" in server.shell("/opt/mainstay/certbot/bin/certbot plugins 2>/dev/null")
    assert "dns_azure_zone1 = renew.example:/subscriptions/x" in server.shell("cat /etc/mainstay/certbot-dns.ini")
    before = held(server, "edge")
    time.sleep(1)
    assert renew(server) == "success"
    assert held(server, "edge") != before


def test_what_is_not_named_any_more_is_not_renewed(server: Server) -> None:
    assert changed(server.play("site.yml", "--check")) >= 1
    server.play("site.yml")
    assert changed(server.play("site.yml")) == 0
    assert server.shell(f"ls -A {TLS} /etc/letsencrypt/renewal").split() == [
        *("/etc/letsencrypt/renewal:", "edge.conf", "wild.conf.unnamed"),
        *(f"{TLS}:", "edge"),
    ]
    assert 'name="wild"' not in server.shell("cat /var/lib/prometheus/node-exporter/mainstay_certificates.prom")
    assert renew(server) == "success"
    server.play("site.yml", **wild())
    assert server.shell("ls /etc/letsencrypt/live").split() == ["README", "edge", "wild"]
    server.play("site.yml")


def test_what_is_not_named_any_more_and_still_in_use_stays(server: Server) -> None:
    server.play("site.yml", **wild())
    server.shell(
        "printf 'server { listen 443 ssl; server_name wild.example; ssl_certificate %s; ssl_certificate_key %s; }' "
        f"{TLS}/wild/fullchain.pem {TLS}/wild/privkey.pem >/etc/nginx/conf.d/wild.conf"
    )
    server.shell("nginx -t -q && systemctl reload nginx")
    output = server.play("site.yml", check=False)
    assert "certificate 'wild' is not named any more, but still in use" in output
    assert "wild.conf\n" in server.shell("nginx -t -q; ls /etc/letsencrypt/renewal")
    assert served(server, "wild.example") == held(server, "wild")
    server.shell("rm /etc/nginx/conf.d/wild.conf")
    server.play("site.yml")
    assert "wild" not in server.shell(f"ls -A {TLS}")


def test_another_curve(server: Server) -> None:
    server.play("site.yml", certbot_curve="secp384r1")
    assert "secp384r1" in server.shell(f"openssl x509 -in {TLS}/edge/fullchain.pem -noout -text")
    assert changed(server.play("site.yml", certbot_curve="secp384r1")) == 0
    server.play("site.yml")


def test_another_authority_where_the_first_does_not_issue(server: Server) -> None:
    ending = f"https://{server.ending}:14000/dir"  # type: ignore[attr-defined]
    dead = "https://acme.test:1/dir"
    output = server.play(
        "site.yml", check=False, certbot_directory=dead, certbot_fallback={"directory": "https://no.test/dir"}
    )
    assert f"Refused by {dead}" in output
    assert "and by https://no.test/dir" in output
    variables = {"certbot_directory": dead, "certbot_fallback": {"directory": ending}}
    server.play("site.yml", **variables)
    assert comes_from(server) == ending
    assert changed(server.play("site.yml", **variables)) == 0
    before = served(server)
    time.sleep(1)
    assert renew(server) == "success"
    assert served(server) == held(server, "edge") != before
    assert comes_from(server) == ending
    server.play("site.yml", certbot_fallback={"directory": ending})
    assert renew(server) == "success"
    assert comes_from(server) == server.variables["certbot_directory"]


def test_a_first_authority_that_fails_has_until_a_fortnight_before_the_end(server: Server) -> None:
    ending = f"https://{server.ending}:14000/dir"  # type: ignore[attr-defined]
    server.play("site.yml", certbot_fallback={"directory": ending})
    before = served(server)
    run("docker", "stop", "--time", "1", server.month)  # type: ignore[attr-defined]
    assert renew(server) == "exit-code"
    assert served(server) == before

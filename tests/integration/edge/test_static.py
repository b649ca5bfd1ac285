# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that nginx serves by itself, in the order of a server's life. Needs the test bed.

Certificates are the temporary ones: who issues them is another test's matter.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from testbed.outside import bed

from .test_edge import HEADERS, HERE, Server, changed

SITE = "https://edge.example"
PLAIN = "https://www.edge.example"
FOR_GOOD = "public, max-age=31536000, immutable"
SCRIPT = "/static/js/main.1a2b3c4d.js"


class Club(Server):
    """A server with the site."""

    def get(self, url: str, *options: str) -> tuple[int, dict[str, str], str]:
        return super().get(url, "--insecure", "--path-as-is", *options)

    def release(self, release: str, slot: str) -> None:
        self.shell(f"python3 /root/release.py {release} {slot}")

    def encoding(self, path: str, accepted: str) -> str | None:
        headers = self.get(f"{SITE}{path}", "-H", f"Accept-Encoding: {accepted}", "-o", "/dev/null", "-D", "-")[1]
        return headers.get("content-encoding")


@pytest.fixture(scope="module", params=["trixie", "bookworm"])
def server(request: pytest.FixtureRequest) -> Iterator[Club]:
    name = f"t-static-{request.param}"
    bed("server", "up", name, "--release", request.param)
    server = Club(name)
    for file in ("backend.py", "release.py"):
        server.shell(f"cat >/root/{file}", (HERE / file).read_text())
    for port, slot in ((20003, "blue"), (20004, "green")):
        server.shell(f"systemd-run --quiet --unit edge-{port} python3 /root/backend.py {port} {slot}")
    yield server
    bed("server", "down", name)


def test_check_mode_on_a_bare_server(server: Club) -> None:
    assert "failed=0" in server.play("static.yml", "--check", "--diff")


def test_first_and_second_run(server: Club) -> None:
    server.play("static.yml", "--diff")
    assert changed(server.play("static.yml")) == 0


@pytest.mark.parametrize("url", [SITE, f"{SITE}/about", f"{SITE}{SCRIPT}", f"{SITE}/manual/", PLAIN])
def test_before_the_first_release_a_page_says_so(server: Club, url: str) -> None:
    status, headers, body = server.get(url)
    assert (status, headers["retry-after"], headers["cache-control"]) == (503, "10", "no-store")
    assert "Back in a moment" in body
    assert all(headers[name] for name in HEADERS)


def test_the_first_release_serves_without_a_reload(server: Club) -> None:
    server.release("v1", "blue")
    server.shell("mkdir -p /srv/www/plain && echo plain >/srv/www/plain/index.html")
    assert "<h1>v1</h1>" in server.get(f"{SITE}/")[2]


ANSWERS = {
    "the page": ("/", 200, "<h1>v1</h1>", "no-cache"),
    "the page by name": ("/index.html?x=1", 200, "<h1>v1</h1>", "no-cache"),
    "fingerprinted script": (SCRIPT, 200, "v1 the same", FOR_GOOD),
    "its map": (f"{SCRIPT}.map", 200, "{}", FOR_GOOD),
    "fingerprinted style": ("/assets/app-Ab12Cd34.css", 200, "v1 the same", FOR_GOOD),
    "script without a fingerprint": ("/static/js/plain.js", 200, "v1 the same", "no-cache"),
    "path of the app's own": ("/members/42", 200, "<h1>v1</h1>", "no-cache"),
    "path of its own in a folder": ("/static/", 200, "<h1>v1</h1>", "no-cache"),
    "path of its own that looks fingerprinted": ("/assets/x-1a2b3c4d", 200, "<h1>v1</h1>", "no-cache"),
    "folder without a page": ("/empty/", 200, "<h1>v1</h1>", "no-cache"),
    "page of a folder": ("/docs/", 200, "the docs", "no-cache"),
    "page of a folder with a dot": ("/docs/v1.2/", 200, "of a version", "no-cache"),
    "missing script": ("/static/js/gone.js", 404, "Not found", "no-store"),
    "missing fingerprinted script": ("/static/js/main.00c0ffee.js", 404, "Not found", "no-store"),
    "missing page": ("/gone.html", 404, "Not found", "no-store"),
    "dot-file": ("/.env", 404, "Not found", "no-store"),
    "dot-directory": ("/.git/config", 404, "Not found", "no-store"),
    "dot-file in disguise": ("/%2eenv", 404, "Not found", "no-store"),
    "our own directory's name below": ("/x/.mainstay/secret", 404, "Not found", "no-store"),
    "well known": ("/.well-known/security.txt", 200, "Contact", "no-cache"),
    "private path": ("/metrics", 404, "Not found", "no-store"),
    "link to another's file": ("/passwd", 200, "<h1>v1</h1>", "no-cache"),
    "link to a file of the same owner": ("/leak.txt", 404, "Not found", "no-store"),
    "through a linked directory": ("/etc/hosts.conf", 404, "Not found", "no-store"),
    "through a link upwards": ("/up/secret.txt", 404, "Not found", "no-store"),
    "no fallback where none is named": ("/manual/chapter", 404, "Not found", "no-store"),
    "another directory": ("/manual/", 200, "the manual of v1", "no-cache"),
    "the other program": ("/api/x", 200, '"slot": "blue"', "no-cache"),
    "traversal": ("/../secret.txt", 400, "", None),
    "traversal, encoded": ("/..%2fsecret.txt", 400, "", None),
    "traversal, encoded more": ("/static/%2e%2e/%2e%2e/%2e%2e/secret.txt", 400, "", None),
    "traversal by a missing slash": ("/static../../secret.txt", 404, "Not found", "no-store"),
    "traversal with a backslash": ("/..%5csecret.txt", 404, "Not found", "no-store"),
    "below another route": ("/docs../secret.txt", 404, "Not found", "no-store"),
    "NUL": ("/index.html%00.js", 400, "", None),
}


@pytest.mark.parametrize(("path", "status", "text", "kept"), ANSWERS.values(), ids=ANSWERS)
def test_answers(server: Club, path: str, status: int, text: str, kept: str | None) -> None:
    answer, headers, body = server.get(f"{SITE}{path}", "-H", "Accept: text/html")
    assert answer == status, body
    assert text in body
    assert "PLANTED" not in body
    if kept is not None:
        assert headers["cache-control"] == kept
        assert all(headers[name] and " | " not in headers[name] for name in HEADERS)


def test_a_folder_gets_its_slash(server: Club) -> None:
    for path, to in (("/docs/intro?a=b", "/docs/intro/?a=b"), ("/docs/v1.2", "/docs/v1.2/"), ("//docs/intro", None)):
        status, headers, _body = server.get(f"{SITE}{path}")
        assert (status, headers["location"]) == (301, to or "/docs/intro/")
        assert all(headers[name] for name in HEADERS)
    status, headers, _body = server.get(f"{SITE}/docs/x%0d%0aX-Evil:%201/../intro")
    assert (status, headers["location"]) == (301, "/docs/intro/")


METHODS = {"HEAD": 200, "POST": 405, "PUT": 405, "DELETE": 405, "OPTIONS": 405, "PROPFIND": 405}


@pytest.mark.parametrize("path", ["/", SCRIPT, "/members/42"])
@pytest.mark.parametrize(("method", "status"), METHODS.items(), ids=METHODS)
def test_methods(server: Club, method: str, status: int, path: str) -> None:
    options = ("-I",) if method == "HEAD" else ("-X", method, "-d", "x=1")
    answer, headers, body = server.get(f"{SITE}{path}", *options)
    assert answer == status
    assert all(headers[name] for name in HEADERS)
    if status == 405:
        assert (headers["allow"], headers["cache-control"]) == ("GET, HEAD", "no-store")
        assert json.loads(body)["title"] == "Not allowed"
    else:
        assert int(headers["content-length"]) > 1000
        assert not body


def test_ranges(server: Club) -> None:
    status, headers, body = server.get(f"{SITE}{SCRIPT}", "-H", "Range: bytes=3-10")
    assert (status, body, headers["content-range"].split("/")[0]) == (206, "the same", "bytes 3-10")
    assert headers["cache-control"] == FOR_GOOD
    assert server.get(f"{SITE}{SCRIPT}", "-H", "Range: bytes=999999-")[0] == 416


@pytest.mark.parametrize("path", ["/", "/members/42", SCRIPT, "/static/js/plain.js"])
def test_what_a_client_has_is_not_sent_again(server: Club, path: str) -> None:
    headers = server.get(f"{SITE}{path}")[1]
    for condition in (f"If-None-Match: {headers['etag']}", f"If-Modified-Since: {headers['last-modified']}"):
        status, again, body = server.get(f"{SITE}{path}", "-H", condition)
        assert (status, body, again["cache-control"]) == (304, "", headers["cache-control"])
        assert all(again[name] for name in HEADERS)


TYPES = {
    "/": "text/html",
    SCRIPT: "application/javascript",
    "/module.mjs": "application/javascript",
    "/data.json": "application/json",
    "/assets/app-Ab12Cd34.css": "text/css",
    "/v1.csv": "application/octet-stream",
}


@pytest.mark.parametrize("path", TYPES)
def test_types_and_compression(server: Club, path: str) -> None:
    assert server.get(f"{SITE}{path}")[1]["content-type"] == TYPES[path]
    packed = path != "/v1.csv"
    for accepted, expected in (("br, gzip", "br"), ("gzip", "gzip"), ("identity", None)):
        assert server.encoding(path, accepted) == (expected if packed else None)


def test_what_the_build_has_packed_is_sent_as_it_is(server: Club) -> None:
    url = f"{SITE}/packed.js"
    _status, headers, body = server.get(url, "--compressed", "-H", "Accept-Encoding: gzip")
    assert (body, headers["content-encoding"], headers["vary"]) == ("packed by the build", "gzip", "Accept-Encoding")
    assert "v1 the same" in server.get(url)[2]


def test_what_nobody_may_read(server: Club) -> None:
    status, headers, body = server.get(f"{SITE}/unreadable.txt")
    assert status == 404
    assert "PLANTED" not in body
    assert all(headers[name] for name in HEADERS)


def test_limits_hold_for_files_too(server: Club) -> None:
    answers = [server.get(f"{SITE}/{name}/x.txt") for name in ("limited", "limited", "limited", "LIMITED")]
    assert [status for status, _headers, _body in answers] == [200, 200, 429, 429]
    assert answers[2][1]["retry-after"] == "30"
    assert all(answers[0][1][name] for name in HEADERS)


def test_without_apps(server: Club) -> None:
    assert server.get(f"{PLAIN}/")[2] == "plain\n"
    assert server.get(f"{PLAIN}/about")[0] == 404


def test_maintenance_closes_files_too(server: Club) -> None:
    server.play("maintenance.yml", app="club", closed=True)
    status, _headers, body = server.get(f"{SITE}/")
    assert (status, json.loads(body)["title"]) == (503, "Closed for maintenance")
    server.play("maintenance.yml", app="club", closed=False)
    assert server.get(f"{SITE}/")[0] == 200


def test_files_outlive_the_program_beside_them(server: Club) -> None:
    server.shell("systemctl stop edge-20003")
    assert server.get(f"{SITE}/api/x")[0] == 503
    for path in ("/", "/members/42", SCRIPT):
        assert server.get(f"{SITE}{path}")[0] == 200
    server.shell("systemd-run --quiet --unit edge-20003 python3 /root/backend.py 20003 blue")
    server.shell("for i in $(seq 50); do curl -sf 127.0.0.1:20003 >/dev/null && exit 0; sleep 0.1; done; exit 1")


def test_a_release_is_seen_at_once_and_no_request_lost(server: Club) -> None:
    page = server.get(f"{SITE}/")[1]
    server.release("v2", "green")
    assert "<h1>v1</h1>" in server.get(f"{SITE}/")[2]
    done, seen, failures = threading.Event(), [], []

    def visit() -> None:
        while not done.is_set():
            for path in ("/", SCRIPT):
                try:
                    status, _headers, body = server.get(f"{SITE}{path}")
                    seen.append((path, status, body[:11]))
                except Exception as error:
                    failures.append(error)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        assert changed(server.play("switch.yml", app="club", weights={"green": 100})) == 1
        status, _headers, body = server.get(f"{SITE}/", "-H", f"If-None-Match: {page['etag']}")
        assert (status, body[:11]) == (200, "<h1>v2</h1>")
    finally:
        done.set()
        visitor.join()
    assert not failures
    assert {status for _path, status, _body in seen} == {200}
    assert {body for path, _status, body in seen if path == "/"} <= {"<h1>v1</h1>", "<h1>v2</h1>"}
    assert server.get(f"{SITE}/manual/")[2] == "the manual of v2"
    assert '"slot": "green"' in server.get(f"{SITE}/api/x")[2]
    assert changed(server.play("static.yml")) == 0


AFTERWARDS = {
    "new script": ("/static/js/main.5e6f7a8b.js", 200, FOR_GOOD),
    "script that an old page asks for": (SCRIPT, 200, FOR_GOOD),
    "style that an old page asks for": ("/assets/app-Ab12Cd34.css", 200, FOR_GOOD),
    "old style without a fingerprint": ("/static/v1.css", 200, "no-cache"),
    "document that is no more": ("/v1.csv", 404, "no-store"),
    "page that is no more": ("/v1.html", 404, "no-store"),
    "service worker that is no more": ("/sw.js", 404, "no-store"),
    "dot-file of the old release": ("/static/../.env", 404, "no-store"),
}


@pytest.mark.parametrize(("path", "status", "kept"), AFTERWARDS.values(), ids=AFTERWARDS)
def test_old_pages_find_what_they_ask_for(server: Club, path: str, status: int, kept: str) -> None:
    answer, headers, _body = server.get(f"{SITE}{path}")
    assert (answer, headers["cache-control"]) == (status, kept)
    assert all(headers[name] and " | " not in headers[name] for name in HEADERS)


def test_until_the_old_release_is_gone(server: Club) -> None:
    server.shell("mv /srv/club/slots/blue /root/blue")
    assert server.get(f"{SITE}{SCRIPT}")[0] == 404
    assert server.get(f"{SITE}/")[0] == 200
    server.shell("mv /root/blue /srv/club/slots/blue")


def test_clients_stay_with_a_slot_where_two_share_the_traffic(server: Club) -> None:
    server.play("switch.yml", app="club", weights={"blue": 50, "green": 50})
    ask = "curl -sk --resolve edge.example:443:127.0.0.1 https://edge.example/ --interface"
    said = [
        server.shell(f"for i in 1 2 3; do {ask} 127.0.0.{n} | cut -c5-6; done | sort -u").split() for n in range(2, 26)
    ]
    assert all(len(one) == 1 for one in said), said
    assert {one[0] for one in said} == {"v1", "v2"}
    server.play("switch.yml", app="club", weights={"blue": 100})
    assert "<h1>v1</h1>" in server.get(f"{SITE}/")[2]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "both": (
        {"plain_pages": {"name": "p", "ports": {"blue": 1}, "roots": {"blue": "/srv/x"}}},
        "parameters are mutually exclusive: ports|roots",
    ),
    "hidden by the sandbox": (
        {"plain_pages": {"name": "p", "roots": {"live": "/home/me/site"}}},
        "upstreams: 'p': roots: live: '/home/me/site' is hidden from nginx, as is all of /home (try /srv)",
    ),
}


@pytest.mark.parametrize(("variables", "message"), WRONG.values(), ids=WRONG)
def test_what_is_refused(server: Club, variables: dict[str, Any], message: str) -> None:
    before = server.shell("cat /var/lib/mainstay/nginx/*.json /etc/nginx/mainstay/*/*.conf")
    assert message in " ".join(server.play("static.yml", check=False, **variables).split())
    assert server.shell("cat /var/lib/mainstay/nginx/*.json /etc/nginx/mainstay/*/*.conf") == before


def test_a_program_becomes_files_and_back(server: Club) -> None:
    """Both kinds are there until nothing refers to the old one, so that nginx never refuses what is on disk."""
    server.play("static.yml", plain_pages={"name": "plain-pages", "ports": {"live": 20003}})
    assert '"slot"' in server.get(f"{PLAIN}/")[2]
    server.play("static.yml")
    assert server.get(f"{PLAIN}/")[2] == "plain\n"
    assert changed(server.play("static.yml")) == 0

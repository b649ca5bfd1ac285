# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One request at a time, straight over http.client, for what a transfer needs; azure-storage-blob does what is rare.

To import that library costs 0.22 CPU s and 30 MiB, more than all the rest of a call that finds nothing to do, and its
layers as much again in an upload of 512 MiB (docs/performance/blob.md). The signature is the service's Shared Key as
it is documented; a test holds it to the library's own, request by request.
"""

from __future__ import annotations

import base64
import contextlib
import email.utils
import hashlib
import hmac
import http.client
import os
import re
import select
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from ansible_collections.mainstay.platform.plugins.module_utils.blob.credential import Endpoint

VERSION = "2023-11-03"
SIGNED = ("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
          "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range")  # fmt: skip
Body = Iterable["bytes | memoryview"]
Receive = Callable[[http.client.HTTPResponse], Any]


class RefusedError(Exception):
    """The service answered, and not with what was asked for."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        text = response.read(65536).decode("utf-8", "replace")
        said = {key: re.search(f"<{key}>(.*?)</{key}>", text, re.DOTALL) for key in ("Code", "Message")}
        super().__init__(said["Message"][1] if said["Message"] else f"{response.status} {response.reason}")
        self.status_code, self.response = response.status, response
        self.error_code = response.headers.get("x-ms-error-code") or (said["Code"][1] if said["Code"] else None)


def sign(account: str, key: str, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """The Authorization header of a request: Shared Key, as the service documents it. ``path`` is quoted, ``query``
    is not."""
    headers = {name.lower(): value for name, value in headers.items()}
    own = {name: value for name, value in headers.items() if name.startswith("x-ms-")}
    # The service compares names as words: dashes do not count, and underscores come before digits and letters.
    names = sorted(own, key=lambda name: name.replace("-", "").replace("_", " "))
    if headers.get("content-length") == "0":
        del headers["content-length"]
    lines = [method, *(headers.get(name, "") for name in SIGNED)]
    lines += [f"{name}:{own[name]}" for name in names]
    lines += [f"/{account}{path}", *(f"{name}:{value}" for name, value in sorted(query.items()))]
    digest = hmac.new(base64.b64decode(key), "\n".join(lines).encode(), hashlib.sha256).digest()
    return f"SharedKey {account}:{base64.b64encode(digest).decode()}"


class Wire:
    """Connections to a container. Safe to share between threads. Raises `RefusedError` and what sockets raise.

    ``token`` gives a bearer token, for the kinds of credentials that need one.
    """

    def __init__(
        self, endpoint: Endpoint, container: str, ca_bundle: str | None, token: Callable[[], str] | None = None
    ) -> None:
        self._endpoint, self._token = endpoint, token
        self._place = urlsplit(endpoint.url)
        self._base = f"{self._place.path}/{quote(container)}"
        self._idle: deque[http.client.HTTPConnection] = deque()
        self._trust = _trust(ca_bundle) if self._place.scheme == "https" else None

    def close(self) -> None:
        """Close the connections."""
        while self._idle:
            self._idle.pop().close()

    def path(self, name: str) -> str:
        """The path of a blob's URL; of the container's for an empty name."""
        return self._base + (f"/{quote(name, safe='~/')}" if name else "")

    def request(
        self,
        method: str,
        name: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Body = (),
        size: int = 0,
        receive: Receive | None = None,
    ) -> Any:
        """One request. ``body`` has ``size`` bytes. The answer is read whole: by ``receive``, whose result becomes the
        answer's ``body``, or into that."""
        query, path = query or {}, self.path(name)
        sent = {"x-ms-version": VERSION, "x-ms-date": email.utils.formatdate(usegmt=True), **(headers or {})}
        if method == "PUT":
            sent["content-length"] = str(size)
        target = urlencode(query, quote_via=quote, safe="")
        if self._token:
            sent["authorization"] = f"Bearer {self._token()}"
        elif self._endpoint.kind == "account_key":
            key = self._endpoint.options["account_key"]
            sent["authorization"] = sign(self._endpoint.account, key, method, path, query, sent)
        else:
            target = "&".join(filter(None, (target, self._endpoint.options["sas"])))
        connection, response, whole = self._connection(), None, False
        try:
            connection.putrequest(method, f"{path}?{target}" if target else path, skip_accept_encoding=True)
            for key, value in sent.items():
                connection.putheader(key, value)
            # A service that refuses what is still being sent answers first and closes then.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.endheaders()
                for piece in body:
                    connection.send(piece)
                whole = True
            response = connection.getresponse()
            if response.status >= 300:
                raise RefusedError(response)
            response.body = receive(response) if receive else response.read()  # type: ignore[attr-defined]
            return response
        finally:
            if whole and response and response.isclosed() and not response.will_close:
                self._idle.append(connection)
            else:
                connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        with contextlib.suppress(IndexError):
            while True:
                connection = self._idle.pop()
                poll = select.poll()
                poll.register(connection.sock, select.POLLIN)
                if not poll.poll(0):
                    return connection
                connection.close()  # the service has closed it meanwhile
        host, port = str(self._place.hostname), self._place.port or (443 if self._trust else 80)
        proxy = _proxy(self._place.scheme, host)
        to, at = (str(proxy.hostname), proxy.port or 80) if proxy else (host, port)
        if self._trust:
            connection = http.client.HTTPSConnection(to, at, timeout=10, context=self._trust)
        else:
            connection = http.client.HTTPConnection(to, at, timeout=10)
        if proxy:
            user = base64.b64encode(f"{unquote(proxy.username or '')}:{unquote(proxy.password or '')}".encode())
            headers = {"Proxy-Authorization": f"Basic {user.decode()}"} if proxy.username else {}
            connection.set_tunnel(host, port, headers)
        connection.connect()
        connection.sock.settimeout(60)
        return connection


def _trust(ca_bundle: str | None) -> ssl.SSLContext:
    """What to trust: the file or directory given, that of the environment, or what the system trusts."""
    given = ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if given and Path(given).is_dir():
        return ssl.create_default_context(capath=given)
    return ssl.create_default_context(cafile=given or None)


def _proxy(scheme: str, host: str) -> Any:
    """The proxy that the environment names for a host, as a split URL; None mostly."""
    if not any(key.lower() in (f"{scheme}_proxy", "all_proxy") for key in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass  # as much to import as http.client itself

    found = getproxies()
    url = found.get(scheme) or found.get("all")
    return urlsplit(url if "://" in url else f"http://{url}") if url and not proxy_bypass(host) else None

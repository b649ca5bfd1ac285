# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Talk to the service with patience, limits and messages: transfers by `service`, what is rare by azure-storage-blob.

The library's own retries are switched off: they start with 15 s of sleep, ignore Retry-After and know no deadline.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import importlib
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ansible_collections.mainstay.platform.plugins.module_utils.blob.credential import Endpoint
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import (
    Attempt,
    BlobError,
    Failure,
    StoppedError,
    explain,
    failure_of,
    scrub,
)
from ansible_collections.mainstay.platform.plugins.module_utils.blob.service import Service

T = TypeVar("T")
PIECE = 256 * 1024
SCOPE = "https://storage.azure.com/.default"
# How long a service that never answered is tried: longer only hides a wrong address.
FIRST_ANSWER = 10.0


class MissingLibraryError(BlobError):
    """A library is not installed for this Python."""


def require(module: str, package: str) -> Any:
    """Import a library late, or say which package is missing for which Python. Raises BlobError."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingLibraryError(
            f"the Python package {package} is missing for {sys.executable} ({error}); install it there, "
            f"or run with an interpreter that has it (the role runtime makes /opt/mainstay/venv/bin/python)"
        ) from None


class Body:
    """What a request sends, in pieces, so that a slow line needs time per piece and not for the whole block at once
    (a timeout covers one write), and so that a transfer can be stopped."""

    def __init__(self, size: int, read: Callable[[int, int], bytes | memoryview], check: Callable[[], None]) -> None:
        self.size, self._read, self._check = size, read, check

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes | memoryview]:
        for offset in range(0, self.size, PIECE):
            self._check()
            yield self._read(offset, min(PIECE, self.size - offset))


class Client:
    """A container of an account, with retries, a deadline and readable errors. Safe to share between threads.

    ``timeout``: seconds for everything this client does. ``outage``: seconds for which a service that has answered
    before may be away. ``ca_bundle``: path; otherwise REQUESTS_CA_BUNDLE, otherwise the system's choice of the library.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        container: str,
        ca_bundle: str | None = None,
        timeout: float = 21600,
        outage: float = 300,
    ) -> None:
        self.endpoint, self.container, self.ca_bundle = endpoint, container, ca_bundle
        self.outage = outage
        self.timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._answered = False
        self.stop = threading.Event()
        self.service = Service(endpoint, container, ca_bundle, _token(endpoint))

    def close(self) -> None:
        """Close the connections."""
        self.service.close()
        if "sdk" in self.__dict__:
            self.sdk.close()

    def restart(self) -> None:
        """Start the time for the next transfer, and forget that the last one was stopped."""
        self._deadline = time.monotonic() + self.timeout
        self.stop.clear()

    @functools.cached_property
    def sdk(self) -> Any:
        """The library's ContainerClient, for what no transfer needs."""
        return _container_client(self.endpoint, self.container, self.ca_bundle)

    def url(self, name: str) -> str:
        """The object's address, without a credential."""
        place = urlsplit(self.endpoint.url)
        return f"{place.scheme}://{place.netloc}{self.service.path(name)}"

    def body(self, size: int, read: Callable[[int, int], bytes | memoryview]) -> Body:
        """What a request is to send: ``read(offset, size)`` gives it, a piece at a time."""
        return Body(size, read, self.check)

    def call(
        self,
        attempt: Attempt | str,
        function: Callable[..., T],
        *args: Any,
        needs: str = "",
        lost: Callable[[Failure, bool], T | None] | None = None,
        **kwargs: Any,
    ) -> T:
        """Call ``function``, again where that may help, and return what it returns.

        ``attempt`` is the action for the message. ``lost(failure, repeated)`` may turn a failure into a result:
        ``repeated`` is true when an earlier try got no answer, so that the service may have done the work already.
        Raises BlobError.
        """
        if isinstance(attempt, str):
            attempt = Attempt(self.endpoint, self.container, attempt, needs=needs, ca_bundle=self.ca_bundle)
        started = time.monotonic()
        tries, repeated = 0, False
        while True:
            self.check()
            try:
                result = function(*args, **kwargs)
            except BlobError:
                raise
            except Exception as error:  # every library below has exceptions of its own; failure_of sorts them
                failure = failure_of(error)
                if failure.kind == "other":
                    raise
                # A line that broke had led somewhere.
                self._answered = self._answered or failure.kind in ("answer", "dropped")
                saved = lost(failure, repeated) if lost else None
                if saved is not None:
                    return saved
                patience = self.outage if self._answered else FIRST_ANSWER
                wait = pause(tries, time.monotonic() - started, failure.retry_after, random.random())  # noqa: S311
                if not failure.retryable or time.monotonic() - started + wait > patience:
                    raise self.error(failure, attempt) from None
                repeated = repeated or failure.kind != "answer" or failure.status in (500, 504)
                tries += 1
                self.stop.wait(min(wait, max(0.0, self._deadline - time.monotonic())))
            else:
                self._answered = True
                return result

    def error(self, failure: Failure, attempt: Attempt) -> BlobError:
        """The exception for a failure, scrubbed."""
        message = explain(failure, attempt, datetime.datetime.now(datetime.timezone.utc))
        return BlobError(scrub(message, self.endpoint.secrets), failure)

    def check(self) -> None:
        """Raises when the transfer has been stopped or its time is up."""
        if self.stop.is_set():
            raise StoppedError
        if time.monotonic() > self._deadline:
            raise BlobError(
                f"Gave up after {self.timeout:g} s (timeout) on container '{self.container}' of account "
                f"'{self.endpoint.account}'; what is complete in the store stays, nothing else does"
            )


def pause(tries: int, elapsed: float, retry_after: float | None, chance: float) -> float:
    """Seconds to wait before the next try.

    Exponential from 0.25 s, but never more than a quarter of the outage so far (at least 1 s, at most 30 s), so that
    a service that is back is soon noticed; jittered by ``chance`` in 0..1. Retry-After is obeyed.
    """
    if retry_after is not None:
        return retry_after
    ceiling = min(30.0, max(1.0, elapsed / 4), 0.25 * 2.0 ** min(tries, 16))
    return ceiling * (0.5 + chance / 2)


def _container_client(endpoint: Endpoint, container: str, ca_bundle: str | None) -> Any:
    blob = require("azure.storage.blob", "azure-storage-blob")
    options = {"connection_verify": ca_bundle} if ca_bundle else {}
    return blob.ContainerClient(
        endpoint.url,
        container,
        credential=_credential(endpoint),
        connection_timeout=10,
        read_timeout=60,
        retry_total=0,
        logging_enable=False,
        **options,
    )


def _credential(endpoint: Endpoint) -> Any:
    options = endpoint.options
    if endpoint.kind == "sas":
        return require("azure.core.credentials", "azure-core").AzureSasCredential(options["sas"])
    if endpoint.kind == "account_key":
        return {"account_name": endpoint.account, "account_key": options["account_key"]}
    identity = require("azure.identity", "azure-identity")
    if endpoint.kind == "managed_identity":
        return identity.ManagedIdentityCredential(client_id=options.get("client_id"))
    extra = {"authority": options["authority"]} if "authority" in options else {}
    return identity.ClientSecretCredential(
        options["tenant_id"], options["client_id"], options["client_secret"], **extra
    )


def _token(endpoint: Endpoint) -> Callable[[], str] | None:
    """What gives a token for every request, where the credential is an identity; azure-identity keeps it until it is
    about to expire."""
    if endpoint.kind in ("sas", "account_key"):
        return None
    credential = _credential(endpoint)
    return lambda: str(credential.get_token(SCOPE).token)


@contextlib.contextmanager
def open_client(endpoint: Endpoint, container: str, **options: Any) -> Iterator[Client]:
    """A `Client` that closes its connections at the end."""
    client = Client(endpoint, container, **options)
    try:
        yield client
    finally:
        client.close()

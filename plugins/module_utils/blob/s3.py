# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A store that speaks S3: boto3 does the calls, this adds patience and what makes a store for backups of it.

Nothing is ever replaced: every object is written on the condition that its name is free, and of several versions the
oldest counts. The service checks the MD5 of every request (not all services check the SHA-256 of the signature), and
a file is verified as a whole when it comes back.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime
import hashlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ansible_collections.mainstay.platform.plugins.module_utils.blob import plan
from ansible_collections.mainstay.platform.plugins.module_utils.blob.catalogue import StoredObject, Unfinished
from ansible_collections.mainstay.platform.plugins.module_utils.blob.client import FIRST_ANSWER, pause, require
from ansible_collections.mainstay.platform.plugins.module_utils.blob.credential import IN_CLEAR, in_clear
from ansible_collections.mainstay.platform.plugins.module_utils.blob.errors import (
    SKEW,
    BlobError,
    Failure,
    StoppedError,
    failure_of,
    scrub,
    unanswered,
)
from ansible_collections.mainstay.platform.plugins.module_utils.blob.protection import (
    BAD,
    NOT_VERIFIED,
    OK,
    Protection,
)
from ansible_collections.mainstay.platform.plugins.module_utils.blob.source import READ, Source, each, open_source

T = TypeVar("T")
# What one request sends of a file, and its MD5 as the service is told it.
_Body = tuple[plan.Block, str]
# Up to this a file is one request; above, parts of this size. S3 takes 10,000 of them.
PART = 64 * plan.MIB
MAX_PARTS = 10_000
CONCURRENCY = 4
CHUNK = plan.MIB
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "access_key": (("access_key_id", "secret_access_key"), ("session_token",)),
    "instance": ((), ()),
}
FIELDS = ("access_key_id", "secret_access_key", "session_token")
_BUSY = ("RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable")
_TAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
_OTHER_BYTES = ("BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch")
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired")


class S3Store:
    """A bucket, or what lies under a prefix in it.

    ``settings``: ``bucket``, ``credential`` (``kind`` ``access_key`` with ``access_key_id``, ``secret_access_key`` and
    perhaps ``session_token``; or ``instance``, what the machine has), and optionally ``endpoint_url`` (AWS when not
    given), ``region``, ``addressing`` (``path`` or ``virtual``), ``prefix``, ``ca_bundle``, ``timeout`` (seconds for
    one transfer), ``outage`` (seconds for which the service may be away), ``concurrency``. Every method raises
    BlobError; ValueError for settings that make no sense.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        problems = wrong(settings)
        if problems:
            raise ValueError("\n".join(problems))
        self.bucket = str(settings["bucket"])
        self.prefix = str(settings.get("prefix") or "")
        if self.prefix and not self.prefix.endswith("/"):
            self.prefix += "/"
        self._credential = {key: str(settings["credential"][key]) for key in FIELDS if settings["credential"].get(key)}
        self._ca_bundle = settings.get("ca_bundle")
        self._timeout = float(settings.get("timeout") or 21600)
        self._concurrency = int(settings.get("concurrency") or CONCURRENCY)
        self._deadline = time.monotonic() + self._timeout
        # Seconds for which a service that has answered before may be away.
        self._outage = float(settings.get("outage") or 300)
        self._answered = False
        self._stop = threading.Event()
        self._sdk = _client(settings, self._credential, self._concurrency)
        self.where = f"bucket '{self.bucket}' at {self._sdk.meta.endpoint_url}"

    def __enter__(self) -> S3Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._sdk.close()

    def put(
        self, path: Path | str, name: str, metadata: Mapping[str, str] | None = None, *, sha256: str | None = None
    ) -> StoredObject:
        """Store a file under a free name. Where the same file is there already, ``changed`` is False.

        ``sha256`` (hexadecimal) is what the file is known to have, and a file that has another is not stored. With it
        a large file is hashed while it is sent; without it before.
        """
        errors = plan.check_metadata(metadata or {})
        if errors:
            raise ValueError("\n".join(errors))
        self._begin()
        key = self.prefix + name
        action = f"upload {path} as '{key}'"
        with open_source(Path(path)) as source:
            size = max(PART, -(-source.size // MAX_PARTS // plan.MIB) * plan.MIB)
            pieces = list(plan.blocks(source.size, size)) or [plan.Block(0, 0, 0)]
            whole = hashlib.sha256()
            bodies: Iterable[_Body] = (
                (block, base64.b64encode(source.md5_within(block, whole, self._check)).decode()) for block in pieces
            )

            def same() -> str:
                """The digest of the whole, which has been hashed."""
                if sha256 and whole.hexdigest() != sha256.lower():
                    raise BlobError(
                        f"{path} is not what it should be: its SHA-256 is {whole.hexdigest()}, expected {sha256}; "
                        f"nothing was stored in {self.where}"
                    )
                return whole.hexdigest()

            # The service wants what is kept with a file before the first byte of it.
            if not sha256 or len(pieces) == 1:
                bodies = list(bodies)
                sha256 = same()
            sha256 = sha256.lower()
            extra = {"mainstay_size": str(source.size), "mainstay_sha256": sha256}
            arguments = {"Bucket": self.bucket, "Key": key, "Metadata": {**(metadata or {}), **extra}}
            verified, changed = "Content-MD5 of each request, checked by the service", True
            try:
                if len(pieces) == 1:
                    answer = self._whole(source, next(iter(bodies)), arguments, action)
                else:
                    answer = self._parts(source, bodies, same, arguments, action)
            except _TakenError as taken:
                verified, changed = self._must_be_ours(taken, key, source.size, sha256), taken.repeated
                answer = {}
            except BlobError as error:
                if error.code in _OTHER_BYTES:
                    source.unchanged()  # the file may have been written to since it was hashed
                raise
        return StoredObject(
            name=name,
            size=source.size,
            url=self._url(key),
            etag=str(answer.get("ETag", "")).strip('"') or None,
            sha256=sha256,
            metadata=dict(metadata or {}),
            version=answer.get("VersionId"),
            changed=changed,
            verified=verified,
        )

    def get(self, name: str, dest: Path | str, sha256: str | None = None) -> StoredObject:
        """Fetch an object to a file of mode 0600, whole and verified or not at all. Goes on where a fetch ended."""
        found = self._find(name)
        dest = Path(dest)
        head = self._call(f"look at '{found.name}'", self._sdk.head_object, **self._at(found))
        expected = sha256 or {key.lower(): value for key, value in head["Metadata"].items()}.get("mainstay_sha256")
        version = hashlib.sha256(f"{found.url} {found.version} {found.etag}".encode()).hexdigest()[:8]
        partial = dest.parent / f".{dest.name}.{version}.partial"
        self._begin()
        try:
            with _append(partial) as (file, have):
                digest = self._fetch(found, file, have)
        except OSError as error:
            raise BlobError(f"dest: {partial} cannot be written: {error.strerror}") from None
        if expected and digest != expected.lower():
            partial.unlink()
            raise BlobError(
                f"'{found.name}' in {self.where} is not what it should be: its SHA-256 is {digest}, expected {expected}"
            )
        partial.replace(dest)
        verified = "SHA-256" if expected else "not_verified: the store keeps no digest of it"
        return self._relative(found, changed=True, verified=verified, sha256=digest)

    def read(self, name: str) -> bytes:
        """The content of a small object, such as a manifest."""
        found = self._find(name)
        if found.size > PART:
            raise BlobError(f"'{found.name}' in {self.where} has {found.size} bytes, more than {PART}")
        answer = self._call(f"read '{found.name}'", self._sdk.get_object, **self._at(found))
        return self._call(f"read '{found.name}'", lambda: bytes(answer["Body"].read()))

    def list(self, prefix: str = "") -> Sequence[StoredObject]:
        """The objects whose names start with ``prefix``, by name. Of several versions the oldest counts: nothing that
        is added later replaces it, and nothing that hides it removes it."""
        return [self._relative(found) for found in self._survey(self.prefix + prefix)]

    def unfinished(self, prefix: str = "") -> Sequence[Unfinished]:
        """Uploads in parts that were interrupted, or still run."""
        return [
            Unfinished(item["Key"][len(self.prefix) :], item["UploadId"], 0, 0, item.get("Initiated"))
            for item in self._uploads(prefix)
        ]

    def remove(self, name: str) -> None:
        """Remove an object with all its versions, and what hides it."""
        key = self.prefix + name
        for item in self._versions(key) or [{"Key": key}]:
            if item["Key"] == key:
                which = {"VersionId": item["VersionId"]} if item.get("VersionId") else {}
                at = {"Bucket": self.bucket, "Key": key, **which}
                try:
                    self._call(f"remove '{key}'", self._sdk.delete_object, **at)
                except BlobError as error:
                    if until := self._locked_until(at):
                        raise BlobError(f"'{key}' in {self.where} is locked until {until}", error.failure) from None
                    raise

    def _locked_until(self, at: Mapping[str, Any]) -> str:
        """Until when a version is locked, where it can be seen; empty otherwise."""
        try:
            seen = self._call("look for a lock", self._sdk.head_object, **at)
        except BlobError:
            return ""
        until = seen.get("ObjectLockRetainUntilDate")
        if seen.get("ObjectLockLegalHoldStatus") == "ON":
            return "the legal hold on it is lifted"
        return f"{until.astimezone(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC" if until else ""

    def remove_unfinished(self, before: datetime.datetime, prefix: str = "") -> Sequence[str]:
        """Remove uploads in parts that were begun before a moment and never completed. Returns their names."""
        gone = []
        for item in self._uploads(prefix):
            if item.get("Initiated") and item["Initiated"] < before:
                arguments = {"Bucket": self.bucket, "Key": item["Key"], "UploadId": item["UploadId"]}
                self._call(f"remove what was begun of '{item['Key']}'", self._sdk.abort_multipart_upload, **arguments)
                gone.append(str(item["Key"])[len(self.prefix) :])
        return gone

    def protection(self) -> Sequence[Protection]:
        """What keeps the objects from being replaced and removed, as far as this credential can see."""
        return [self._versioning(), self._lock(), self._encryption()]

    def may_remove(self) -> Protection:
        """Whether this credential could remove objects: it tries, with a name that nothing has."""
        key = f"{self.prefix}mainstay-probe-{os.urandom(8).hex()}"
        place = {"Bucket": self.bucket, "Key": key}
        try:
            done = self._call(f"remove '{key}'", self._sdk.delete_object, **place)
        except BlobError as error:
            if error.code == "AccessDenied":
                return Protection("remove", OK, "the credential may not remove objects")
            return Protection("remove", NOT_VERIFIED, str(error))
        said = "the credential may remove objects; give one that may only put them"
        if done.get("DeleteMarker") and done.get("VersionId"):
            # Where versions are kept a deletion leaves a mark, also of what was never there.
            try:
                self._call(f"clear away '{key}'", self._sdk.delete_object, **place, VersionId=done["VersionId"])
            except BlobError as error:
                said += f" (the mark of this attempt stays: {error})"
        return Protection("remove", BAD, said)

    # -- one request, or parts ---------------------------------------------------------------------------------------

    def _whole(self, source: Source, body: _Body, arguments: dict[str, Any], action: str) -> dict[str, Any]:
        block, md5 = body
        answer: dict[str, Any] = self._call(
            action,
            self._sdk.put_object,
            **arguments,
            Body=_Slice(source, block, self._check),
            ContentLength=source.size,
            ContentMD5=md5,
            IfNoneMatch="*",
        )
        source.unchanged()
        return answer

    def _parts(
        self,
        source: Source,
        bodies: Iterable[_Body],
        same: Callable[[], object],
        arguments: dict[str, Any],
        action: str,
    ) -> dict[str, Any]:
        place = {key: arguments[key] for key in ("Bucket", "Key")}
        place["UploadId"] = self._call(action, self._sdk.create_multipart_upload, **arguments)["UploadId"]

        def send(body: _Body) -> dict[str, Any]:
            block, md5 = body
            answer = self._call(
                action,
                self._sdk.upload_part,
                **place,
                PartNumber=block.index + 1,
                Body=_Slice(source, block, self._check),
                ContentLength=block.size,
                ContentMD5=md5,
            )
            return {"PartNumber": block.index + 1, "ETag": answer["ETag"]}

        try:
            parts = each(send, bodies, self._concurrency, self._stop)
            source.unchanged()
            same()
            whole = {"Parts": parts}
            complete: Callable[..., dict[str, Any]] = self._sdk.complete_multipart_upload
            return self._call(action, complete, **place, MultipartUpload=whole, IfNoneMatch="*")
        except BaseException:
            # The right to put is also that to abort, nearly everywhere; elsewhere prune or the store's rules do it.
            with contextlib.suppress(Exception):
                self._sdk.abort_multipart_upload(**place)
            raise

    def _must_be_ours(self, taken: _TakenError, key: str, size: int, sha256: str) -> str:
        """The name is taken: by ourselves when an answer was lost, or by the same file, or by something else, which
        raises. Returns how it was told."""
        where = Failure("answer", 412, "PreconditionFailed")
        try:
            found = self._call(f"look at '{key}'", self._sdk.head_object, Bucket=self.bucket, Key=key)
        except BlobError as error:
            if taken.repeated and error.code == "AccessDenied":
                return (
                    "not compared: the answer was lost, and then the name was taken, most likely by this upload; "
                    "the credential may not read it"
                )
            raise BlobError(
                f"'{key}' exists already in {self.where}, and the credential may not read it, so it cannot be "
                "compared; nothing was sent",
                where,
            ) from None
        if (found["ContentLength"], found["Metadata"].get("mainstay_sha256")) != (size, sha256):
            raise BlobError(f"'{key}' exists already in {self.where} with another content; nothing was sent", where)
        return "it was there already, with this SHA-256" if not taken.repeated else "its SHA-256, after a lost answer"

    # -- the way back ------------------------------------------------------------------------------------------------

    def _fetch(self, found: StoredObject, file: Any, have: int) -> str:
        """Append what is missing; returns the SHA-256 of all of it. A line that breaks is taken up again."""
        digest = hashlib.sha256()
        file.seek(0)
        while chunk := file.read(CHUNK):
            digest.update(chunk)
        failures, moved = 0, time.monotonic()
        while have < found.size:
            self._check()
            action = f"download '{found.name}'"
            answer = self._call(action, self._sdk.get_object, **self._at(found), Range=f"bytes={have}-")
            try:
                for chunk in answer["Body"].iter_chunks(CHUNK):
                    self._check()
                    file.write(chunk)
                    digest.update(chunk)
                    have += len(chunk)
                    failures, moved = 0, time.monotonic()
            except BlobError:
                raise
            except Exception as error:  # botocore wraps what urllib3 raises, in classes that are only there at run time
                problem = self._error(error, action)
                failure = getattr(problem, "failure", None)
                if failure is None or not self._worth_another(failure, failures, time.monotonic() - moved):
                    raise problem from None
                failures += 1
        file.flush()
        os.fsync(file.fileno())
        if have != found.size:
            raise BlobError(f"'{found.name}' in {self.where} has {have} bytes, {found.size} were listed")
        return digest.hexdigest()

    def _at(self, found: StoredObject) -> dict[str, Any]:
        version = {"VersionId": found.version} if found.version else {}
        return {"Bucket": self.bucket, "Key": found.name, **version}

    def _find(self, name: str) -> StoredObject:
        key = self.prefix + name
        for found in self._survey(key):
            if found.name == key:
                return found
        raise BlobError(f"There is no object '{key}' in {self.where}")

    def _survey(self, prefix: str) -> Sequence[StoredObject]:
        """Names with the prefix of the store."""
        oldest: dict[str, dict[str, Any]] = {}
        for item in self._versions(prefix):
            if "Size" in item:
                oldest[item["Key"]] = item
        return [
            StoredObject(
                name=key,
                size=item["Size"],
                url=self._url(key),
                etag=str(item.get("ETag", "")).strip('"') or None,
                modified=item.get("LastModified"),
                version=item["VersionId"] if item.get("VersionId") not in (None, "null") else None,
            )
            for key, item in sorted(oldest.items())
        ]

    def _versions(self, prefix: str) -> Sequence[dict[str, Any]]:
        """Every version of every object, newest first of each name, and markers of removal; where the store has no
        versions or does not show them, the objects."""
        action = f"list '{prefix}*'"
        try:
            return self._pages(action, "list_object_versions", ("Versions", "DeleteMarkers"), prefix)
        except BlobError as error:
            if error.code not in ("AccessDenied", "NotImplemented", "MethodNotAllowed"):
                raise
        return self._pages(action, "list_objects_v2", ("Contents",), prefix)

    def _uploads(self, prefix: str) -> Sequence[dict[str, Any]]:
        return self._pages("list what was begun", "list_multipart_uploads", ("Uploads",), self.prefix + prefix)

    def _pages(self, action: str, call: str, fields: tuple[str, ...], prefix: str) -> Sequence[dict[str, Any]]:
        pages = self._sdk.get_paginator(call).paginate(Bucket=self.bucket, Prefix=prefix)
        found = self._call(action, lambda: list(pages))
        return [item for page in found for field in fields for item in page.get(field, [])]

    def _url(self, key: str) -> str:
        return f"{self._sdk.meta.endpoint_url}/{self.bucket}/{key}"

    def _relative(self, found: StoredObject, **changes: Any) -> StoredObject:
        return dataclasses.replace(found, name=found.name[len(self.prefix) :], **changes)

    # -- what protects -----------------------------------------------------------------------------------------------

    def _versioning(self) -> Protection:
        try:
            status = self._call("ask for versioning", self._sdk.get_bucket_versioning, Bucket=self.bucket).get("Status")
        except BlobError as error:
            return Protection("versions", NOT_VERIFIED, _short(error))
        if status == "Enabled":
            return Protection("versions", OK, "what is overwritten or deleted stays as an older version")
        return Protection("versions", BAD, "the bucket keeps no versions: whoever may put can overwrite")

    def _lock(self) -> Protection:
        try:
            answer = self._call("ask for the lock", self._sdk.get_object_lock_configuration, Bucket=self.bucket)
        except BlobError as error:
            if error.code == "ObjectLockConfigurationNotFoundError":
                return Protection("lock", BAD, "objects are not locked: whoever may delete versions can delete backups")
            return Protection("lock", NOT_VERIFIED, _short(error))
        rule = answer.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention")
        if not rule:
            return Protection("lock", BAD, "the bucket has object lock, but no default retention")
        period = f"{rule['Days']} days" if rule.get("Days") else f"{rule.get('Years')} years"
        return Protection("lock", OK, f"{str(rule.get('Mode', '')).lower()} for {period}")

    def _encryption(self) -> Protection:
        try:
            answer = self._call("ask for the encryption", self._sdk.get_bucket_encryption, Bucket=self.bucket)
        except BlobError as error:
            if error.code == "ServerSideEncryptionConfigurationNotFoundError":
                reason = "the bucket encrypts nothing at rest: keep nothing there that is not encrypted (recipients)"
                return Protection("encryption", BAD, reason)
            return Protection("encryption", NOT_VERIFIED, _short(error))
        rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
        names = [rule.get("ApplyServerSideEncryptionByDefault", {}).get("SSEAlgorithm", "") for rule in rules]
        return Protection("encryption", OK, f"at rest by {', '.join(filter(None, names)) or 'its own default'}")

    # -- calls and their failures ------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._stop.clear()
        self._deadline = time.monotonic() + self._timeout

    def _check(self) -> None:
        if self._stop.is_set():
            raise StoppedError
        if time.monotonic() > self._deadline:
            raise BlobError(
                f"Gave up after {self._timeout:g} s (timeout) on {self.where}; what is complete in the store stays"
            )

    def _call(self, action: str, function: Callable[..., T], **arguments: Any) -> T:
        """Call ``function``, again where that may help. botocore's own patience ends after seconds."""
        started = time.monotonic()
        tries, repeated = 0, False
        while True:
            self._check()
            try:
                result = function(**arguments)
            except (BlobError, StoppedError):
                raise
            except Exception as error:  # boto3 makes its classes of exceptions at run time
                problem = self._error(error, action, repeated)
                failure = getattr(problem, "failure", None)
                if failure is None or not self._worth_another(failure, tries, time.monotonic() - started):
                    raise problem from None
                repeated = repeated or failure.kind != "answer" or failure.status in (500, 504)
                tries += 1
                if isinstance(body := arguments.get("Body"), _Slice):
                    body.seek(0)
            else:
                self._answered = True
                return result

    def _worth_another(self, failure: Failure, tries: int, elapsed: float) -> bool:
        """Wait before another try, unless that is pointless or patience is at its end."""
        self._answered = self._answered or failure.kind in ("answer", "dropped")
        wait = pause(tries, elapsed, None, random.random())  # noqa: S311
        if not (failure.retryable or failure.code in _BUSY):
            return False
        if elapsed + wait > (self._outage if self._answered else FIRST_ANSWER):
            return False
        self._stop.wait(wait)
        return True

    def _error(self, error: Exception, action: str, repeated: bool = False) -> Exception:
        """What to raise for an exception of botocore."""
        answer = getattr(error, "response", None)
        if not isinstance(answer, dict):
            failure = failure_of(error)
            if failure.kind == "other" and type(error).__module__.partition(".")[0] not in ("botocore", "boto3"):
                return error
            host = urlsplit(self._sdk.meta.endpoint_url).hostname or ""
            reason = "" if failure.kind == "other" else unanswered(failure, host, self._ca_bundle)
            return BlobError(self._scrub(f"Cannot {action} in {self.where}: {reason or failure.text}"), failure)
        meta, said = answer.get("ResponseMetadata", {}), answer.get("Error", {})
        status, code = meta.get("HTTPStatusCode"), str(said.get("Code", ""))
        if status == 412 or code in _TAKEN:
            return _TakenError(repeated)
        code = {"403": "AccessDenied", "404": "NoSuchKey"}.get(code, code)
        date = failure_date(meta.get("HTTPHeaders", {}))
        failure = Failure("answer", status=status, code=code, text=str(said.get("Message", "")), date=date)
        reason = refusal(
            failure, self._credential.get("access_key_id", ""), datetime.datetime.now(datetime.timezone.utc)
        )
        return BlobError(self._scrub(f"Cannot {action} in {self.where}: {reason} [{status} {code}]"), failure)

    def _scrub(self, text: str) -> str:
        return scrub(text, [value for key, value in self._credential.items() if key != "access_key_id"])


class _TakenError(Exception):
    """The name is taken. ``repeated``: an earlier try of the same request got no answer."""

    failure = None

    def __init__(self, repeated: bool) -> None:
        super().__init__("the name is taken")
        self.repeated = repeated


class _Slice:
    """A part of a file, as botocore wants a body: it reads it, and again when it has to send it again."""

    def __init__(self, source: Source, block: plan.Block, check: Callable[[], None]) -> None:
        self._source, self._block, self._check = source, block, check
        self._at = 0

    def __len__(self) -> int:
        return self._block.size

    def tell(self) -> int:
        """Where the next byte comes from."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go somewhere else."""
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._block.size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes | memoryview:
        """All that is left; or the next piece, which may be larger than was asked for, and is valid until this
        thread's next call."""
        self._check()
        left = self._block.size - self._at
        start = self._block.offset + self._at
        if size is None or size < 0:
            self._at = self._block.size
            return self._source.read(start, left)
        # urllib3 asks for 16 KiB and sends what it gets: each piece costs its way through all the layers.
        size = min(READ, left)
        self._at += size
        return self._source.view(start, size)


def wrong(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with settings of a store, each with its path. No error shows a secret."""
    errors = [] if settings.get("bucket") else ["bucket: missing"]
    credential = dict(settings.get("credential") or {})
    kind = credential.pop("kind", None) or "access_key"
    given = {key for key, value in credential.items() if value not in (None, "")}
    if kind not in KINDS:
        errors.append(f"credential.kind: {kind!r} is not one of {', '.join(KINDS)} for a store of kind s3")
    else:
        needed, allowed = KINDS[kind]
        errors += [f"credential.{key}: missing; kind {kind} needs it" for key in needed if key not in given]
        stray = sorted(given - {*needed, *allowed})
        errors += [f"credential.{key}: does not go with kind {kind}" for key in stray]
    url = settings.get("endpoint_url")
    if url:
        parts = urlsplit(url)
        if parts.username or parts.password or parts.query:
            errors.append("endpoint_url: holds a credential; give the address alone")
        elif parts.scheme not in ("http", "https") or not parts.hostname:
            errors.append(f"endpoint_url: {url!r} is not a URL (https://s3.eu-central-1.example.com)")
        elif in_clear(url):
            errors.append(f"endpoint_url: {url!r} {IN_CLEAR}")
    if settings.get("addressing") not in (None, "", "path", "virtual"):
        errors.append(f"addressing: {settings['addressing']!r} is not one of path, virtual")
    return errors


def refusal(failure: Failure, key_id: str, now: datetime.datetime) -> str:
    """Why the service refused, who is the suspect and what to do. ``now`` is this machine's clock (aware)."""
    code = failure.code
    if code in ("InvalidAccessKeyId", "InvalidAccessKey"):
        return f"the access key '{key_id}' is unknown to the service; it was removed, or belongs to another one"
    if code == "SignatureDoesNotMatch":
        return f"the secret of access key '{key_id}' is wrong"
    if code in _EXPIRED:
        return "the credential has expired; make a new one"
    if code in ("InvalidToken", "InvalidClientTokenId"):
        return "the session token is not accepted; it has expired, or is of another service"
    if code == "RequestTimeTooSkewed":
        skew = f" by {abs(now - failure.date).seconds // 60} minutes" if failure.date else ""
        return f"this machine's clock is off{skew}; is time synchronised?"
    if code == "AccessDenied":
        if failure.date and abs(now - failure.date) > SKEW:
            return "access denied, and this machine's clock differs from the service's; is time synchronised?"
        return f"the policy of access key '{key_id}' does not allow it, or the bucket is another's"
    if code == "NoSuchBucket":
        return "there is no such bucket; create it, or correct the name"
    if code in ("NoSuchKey", "NoSuchVersion"):
        return "there is no such object"
    if code in ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"):
        return f"the bucket is in another region; set region ({failure.text})"
    if code in _OTHER_BYTES:
        return "the service received other bytes than were hashed: the network damages data"
    if code in _BUSY:
        return f"the service is busy or ill, and stayed so ({failure.text})"
    return failure.text or "refused"


def failure_date(headers: Mapping[str, str]) -> datetime.datetime | None:
    """The service's clock, as its answer tells it."""
    return parse_date({key.lower(): value for key, value in headers.items()}.get("date"))


def parse_date(text: str | None) -> datetime.datetime | None:
    """A moment as HTTP writes it; None where it is none."""
    try:
        return datetime.datetime.strptime(text or "", "%a, %d %b %Y %H:%M:%S %Z").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return None


@contextlib.contextmanager
def _append(path: Path) -> Iterator[tuple[Any, int]]:
    """A partial file, open for reading what is there and for writing behind it; and how much is there."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        yield file, os.fstat(descriptor).st_size


def _short(error: BlobError) -> str:
    return str(error).rpartition(": ")[2] if error.code else str(error)


def _client(settings: Mapping[str, Any], credential: Mapping[str, str], concurrency: int) -> Any:
    session = require("botocore.session", "boto3").Session()
    config = require("botocore.config", "boto3").Config(
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=concurrency,
        retries={"mode": "standard", "total_max_attempts": 1},
        # Content-MD5 is what every service knows; the newer checksums come in an encoding that many do not.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        signature_version="s3v4",
        s3={"addressing_style": settings.get("addressing") or ("path" if settings.get("endpoint_url") else "auto")},
    )
    return session.create_client(
        "s3",
        region_name=settings.get("region") or "us-east-1",
        endpoint_url=settings.get("endpoint_url") or None,
        verify=settings.get("ca_bundle") or None,
        aws_access_key_id=credential.get("access_key_id"),
        aws_secret_access_key=credential.get("secret_access_key"),
        aws_session_token=credential.get("session_token"),
        config=config,
    )

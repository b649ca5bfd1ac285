# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service's operations that a transfer is made of, by the names of its REST interface (version `wire.VERSION`)."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import email.utils
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

from ansible_collections.mainstay.platform.plugins.module_utils.blob.wire import Body, Receive, Wire

META = "x-ms-meta-"


@dataclasses.dataclass(frozen=True)
class Properties:
    """What the service says of a blob. ``size`` in bytes, ``metadata`` with our own keys."""

    name: str
    size: int
    etag: str | None
    modified: datetime.datetime | None
    md5: bytes | None
    tier: str | None
    metadata: Mapping[str, str]


def _properties(name: str, fields: Mapping[str, Any], metadata: Mapping[str, str], tier: str) -> Properties:
    modified, md5 = fields.get("Last-Modified"), fields.get("Content-MD5")
    return Properties(
        name=name,
        size=int(fields.get("Content-Length") or 0),
        etag=fields.get("Etag"),
        modified=email.utils.parsedate_to_datetime(modified) if modified else None,
        md5=base64.b64decode(md5) if md5 else None,
        tier=fields.get(tier),
        metadata=metadata,
    )


class Service(Wire):
    """A container's operations. Every one is one request, but for `list`."""

    def properties(self, name: str) -> Properties:
        """Get Blob Properties."""
        headers = self.request("HEAD", name).headers
        metadata = {key[len(META) :]: value for key, value in headers.items() if key.lower().startswith(META)}
        return _properties(name, headers, metadata, "x-ms-access-tier")

    def put(self, name: str, body: Body, size: int, headers: Mapping[str, str]) -> str:
        """Put Blob; the ETag."""
        answer = self.request("PUT", name, None, {"x-ms-blob-type": "BlockBlob", **headers}, body, size)
        return str(answer.headers["Etag"])

    def put_block(self, name: str, block: bytes, body: Body, size: int, md5: bytes | None = None) -> None:
        """Put Block. ``block`` is the id as it is, ``md5`` what the service is to check."""
        query = {"comp": "block", "blockid": base64.b64encode(block).decode()}
        self.request("PUT", name, query, content_md5(md5) if md5 else {}, body, size)

    def blocks(self, name: str) -> dict[bytes, int]:
        """Get Block List: ids and sizes of the blocks that no commit has taken."""
        found = self._list(name, {"comp": "blocklist", "blocklisttype": "uncommitted"})
        return {
            base64.b64decode(item.findtext("Name", "")): int(item.findtext("Size", "0")) for item in found.iter("Block")
        }

    def commit(self, name: str, blocks: Iterable[bytes], headers: Mapping[str, str]) -> str:
        """Put Block List; the ETag."""
        latest = b"".join(b"<Latest>%s</Latest>" % base64.b64encode(block) for block in blocks)
        body = b'<?xml version="1.0" encoding="utf-8"?><BlockList>' + latest + b"</BlockList>"
        return str(self.request("PUT", name, {"comp": "blocklist"}, headers, [body], len(body)).headers["Etag"])

    def get(self, name: str, receive: Receive, headers: Mapping[str, str] | None = None) -> Any:
        """Get Blob; what ``receive`` makes of the answer, of which it reads all."""
        return self.request("GET", name, None, headers, receive=receive).body

    def list(self, prefix: str) -> Iterable[Properties]:
        """List Blobs with their metadata, one request for every 5000."""
        marker = ""
        while True:
            query = {"restype": "container", "comp": "list", "include": "metadata", "prefix": prefix, "marker": marker}
            page = self._list("", {key: value for key, value in query.items() if value})
            for item in page.iterfind("Blobs/Blob"):
                name = item.find("Name")
                text = "" if name is None else name.text or ""
                encoded = name is not None and name.get("Encoded") == "true"
                fields = {field.tag: field.text for field in item.iterfind("Properties/*")}
                metadata = {field.tag: field.text or "" for field in item.iterfind("Metadata/*")}
                yield _properties(unquote(text) if encoded else text, fields, metadata, "AccessTier")
            marker = page.findtext("NextMarker", "")
            if not marker:
                return

    def _list(self, name: str, query: Mapping[str, str]) -> ElementTree.Element:
        return ElementTree.fromstring(self.request("GET", name, query).body)  # noqa: S314 - from the service alone


def content_md5(md5: bytes) -> dict[str, str]:
    """The header by which the service checks what it gets."""
    return {"content-md5": base64.b64encode(md5).decode()}

"""A bucket on this machine, as far as files of evidence need one: it is away until it is there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.streams.apis import QuietHandler, listening

_LIST = (
    "<ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>{n}</KeyCount>{rows}"
    "</ListBucketResult>"
)
_ROW = "<Contents><Key>{key}</Key><Size>{size}</Size><ETag>{etag}</ETag></Contents>"


@contextmanager
def bucket(port: int) -> Iterator[dict[str, bytes]]:
    """What is kept, by path (``BUCKET/KEY``), while it is there."""
    kept: dict[str, bytes] = {}

    class Handler(QuietHandler):
        def do_PUT(self) -> None:  # noqa: N802 - the library calls it so
            body = self.rfile.read(int(self.headers["content-length"]))
            if "aws-chunked" in self.headers.get("content-encoding", ""):
                body = _unchunked(body)
            kept[self.key] = body
            self.answer(200)

        def do_DELETE(self) -> None:  # noqa: N802 - the library calls it so
            kept.pop(self.key, None)
            self.answer(204)

        def do_HEAD(self) -> None:  # noqa: N802 - the library calls it so
            self.do_GET()

        def do_GET(self) -> None:  # noqa: N802 - the library calls it so
            query = parse_qs(urlsplit(self.path).query)
            if "list-type" in query:
                self.answer(200, self.listed(query.get("prefix", [""])[0]))
            elif self.key not in kept:
                self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            else:
                self.give(kept[self.key])

        @property
        def key(self) -> str:
            return unquote(urlsplit(self.path).path).lstrip("/")

        def listed(self, prefix: str) -> bytes:
            whole = f"{self.key.rstrip('/')}/"
            found = {
                name.removeprefix(whole): content
                for name, content in sorted(kept.items())
                if name.startswith(whole + prefix)
            }
            rows = "".join(
                _ROW.format(key=escape(name), size=len(content), etag=_etag(content))
                for name, content in found.items()
            )
            return _LIST.format(n=len(found), rows=rows).encode()

        def give(self, content: bytes) -> None:
            wanted = self.headers.get("range", "")
            if not wanted:
                self.answer(200, content)
                return
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            end = min(int(last or len(content) - 1), len(content) - 1)
            said = f"bytes {first}-{end}/{len(content)}"
            self.answer(206, content[int(first) : end + 1], said)

        def answer(self, status: int, body: bytes = b"", part: str = "") -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.send_header("etag", _etag(body))
            self.send_header("last-modified", "Sat, 31 Jan 2026 00:00:00 GMT")
            if part:
                self.send_header("content-range", part)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    with listening(Handler, port):
        yield kept


def _etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def _unchunked(body: bytes) -> bytes:
    """What was sent in chunks that are signed, each with its size in hexadecimal before it."""
    found = b""
    while body:
        head, _, body = body.partition(b"\r\n")
        size = int(head.partition(b";")[0], 16)
        if not size:
            break
        found += body[:size]
        body = body[size + 2 :]
    return found

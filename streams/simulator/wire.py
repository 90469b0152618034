"""RTSP as text (RFC 2326): requests in, answers out, basic and digest login (RFC 2617)."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, urlsplit

MAX_HEAD_BYTES = 8192
MAX_BODY_BYTES = 4096
REALM = "Matakota simulator"
REASONS = {
    200: "OK",
    302: "Moved Temporarily",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid In This State",
    461: "Unsupported Transport",
    500: "Internal Server Error",
    501: "Not Implemented",
    505: "RTSP Version Not Supported",
}
_PARAMETER = re.compile(r'([a-z]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))', re.IGNORECASE)
_TOKEN = re.compile(rb"[A-Z_]{1,32}")
_DOLLAR = b"$"


class WireError(Exception):
    """What came is no request; ``status`` is the answer to it."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status} {REASONS[status]}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Login:
    """What a client must show. Digest is MD5 with ``qop=auth`` offered; ``both`` offers both."""

    user: str
    password: str = field(repr=False)
    scheme: Literal["basic", "digest", "both"] = "both"


@dataclass(frozen=True, slots=True)
class Request:
    """``headers`` by lower-case name. Its text shows neither them nor the address."""

    method: str
    uri: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    @property
    def parts(self) -> SplitResult:
        """The address in its parts; raises WireError for one that cannot be read."""
        try:
            parts = urlsplit(self.uri)
            _ = parts.port
        except ValueError:
            raise WireError(400) from None
        if parts.scheme != "rtsp" or not parts.hostname:
            raise WireError(400)
        return parts


async def read_request(reader: asyncio.StreamReader, within_s: float | None) -> Request | None:
    """The next request, None at the end of the connection. What the client sends between requests
    (its receiver reports) is skipped. ``reader`` must limit a line to ``MAX_HEAD_BYTES``.

    Raises WireError, and TimeoutError where it does not come whole within ``within_s`` seconds.
    """
    async with asyncio.timeout(within_s):
        try:
            first = await reader.readexactly(1)
            while first in (_DOLLAR, b"\r", b"\n"):
                if first == _DOLLAR:
                    size = int.from_bytes((await reader.readexactly(3))[1:], "big")
                    await reader.readexactly(size)
                first = await reader.readexactly(1)
            head = first + await reader.readuntil(b"\r\n\r\n")
            request = _parse(head)
            size = _length(request)
            await reader.readexactly(size)
        except asyncio.IncompleteReadError:
            return None
        except asyncio.LimitOverrunError:
            raise WireError(413) from None
    return request


def answer(
    status: int, request: Request | None, headers: Mapping[str, str], body: bytes = b""
) -> bytes:
    """The bytes of an answer; ``body`` is a session description where there is one."""
    lines = [f"RTSP/1.0 {status} {REASONS[status]}"]
    if request is not None and "cseq" in request.headers:
        lines.append(f"CSeq: {request.headers['cseq']}")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def interleaved(transport: str) -> int | None:
    """The first channel of the first offer for RTP inside the connection, None where there is no
    such offer. Raises WireError for channels that are no pair."""
    for offer in transport.split(","):
        parts = [part.strip() for part in offer.split(";")]
        if parts[0].upper() != "RTP/AVP/TCP" or "multicast" in parts:
            continue
        channels = next((p.partition("=")[2] for p in parts if p.startswith("interleaved=")), "0-1")
        match = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", channels, re.ASCII)
        if match is None or not int(match[1]) <= 254:
            raise WireError(400)
        if match[2] is not None and int(match[2]) != int(match[1]) + 1:
            raise WireError(400)
        return int(match[1])
    return None


class Door:
    """Decides for one connection whether a request shows the login."""

    def __init__(self, login: Login | None) -> None:
        self._login = login
        self._nonce = secrets.token_hex(16)

    def challenges(self) -> dict[str, str]:
        """The headers of a refusal."""
        scheme = self._login.scheme if self._login is not None else "both"
        basic = f'Basic realm="{REALM}"'
        digest = f'Digest realm="{REALM}", nonce="{self._nonce}", algorithm=MD5, qop="auth"'
        offered = {"basic": [basic], "digest": [digest], "both": [digest, basic]}[scheme]
        # One header a challenge: a comma also stands between the parts of one.
        return {"WWW-Authenticate": "\r\nWWW-Authenticate: ".join(offered)}

    def admits(self, request: Request) -> bool:
        if self._login is None:
            return True
        kind, _, rest = request.headers.get("authorization", "").partition(" ")
        scheme = self._login.scheme
        if kind.lower() == "basic" and scheme != "digest":
            return self._basic(rest, self._login)
        if kind.lower() == "digest" and scheme != "basic":
            return self._digest(rest, request, self._login)
        return False

    def _basic(self, given: str, login: Login) -> bool:
        try:
            shown = base64.b64decode(given.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(shown, f"{login.user}:{login.password}".encode())

    def _digest(self, given: str, request: Request, login: Login) -> bool:
        fields = {m[1].lower(): m[2] if m[2] is not None else m[3] for m in _found(given)}
        if (fields.get("username"), fields.get("realm")) != (login.user, REALM):
            return False
        if fields.get("nonce") != self._nonce or not _same_place(fields.get("uri", ""), request):
            return False
        secret = _md5(f"{login.user}:{REALM}:{login.password}")
        place = _md5(f"{request.method}:{fields['uri']}")
        middle = self._nonce
        if "qop" in fields:
            if fields["qop"] != "auth":
                return False
            middle += f":{fields.get('nc', '')}:{fields.get('cnonce', '')}:auth"
        expected = _md5(f"{secret}:{middle}:{place}")
        return hmac.compare_digest(expected.encode(), fields.get("response", "").lower().encode())


def _parse(head: bytes) -> Request:
    if len(head) > MAX_HEAD_BYTES:
        raise WireError(413)
    lines = head[:-4].split(b"\r\n")
    words = lines[0].split(b" ")
    if len(words) != 3 or not _TOKEN.fullmatch(words[0]):
        raise WireError(400)
    headers: dict[str, str] = {}
    try:
        uri, version = words[1].decode("ascii"), words[2].decode("ascii")
        for line in lines[1:]:
            name, colon, value = line.decode("utf-8").partition(":")
            if not colon or not name.strip() or not value.strip().isprintable():
                raise WireError(400)
            headers[name.strip().lower()] = value.strip()
    except UnicodeDecodeError:
        raise WireError(400) from None
    if not re.fullmatch(r"RTSP/\d\.\d", version, re.ASCII):
        raise WireError(400)
    if version != "RTSP/1.0":
        raise WireError(505)
    if not re.fullmatch(r"\d{1,9}", headers.get("cseq", ""), re.ASCII):
        raise WireError(400)
    return Request(words[0].decode(), uri, headers)


def _length(request: Request) -> int:
    text = request.headers.get("content-length", "0")
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise WireError(400)
    if int(text) > MAX_BODY_BYTES:
        raise WireError(413)
    return int(text)


def _same_place(uri: str, request: Request) -> bool:
    """Clients sign the whole address or only its path."""
    parts = request.parts
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return uri in (request.uri, path)


def _found(text: str) -> list[re.Match[str]]:
    return list(_PARAMETER.finditer(text))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

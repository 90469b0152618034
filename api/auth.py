"""Who asks, and whether that opens the door: one decision, a pure function of what was asked."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address
from typing import Final

from api.access import Found, Kind, Permission, find_rule
from api.i18n import N_
from api.store import Holder

ALIVE: Final = "/healthz"
"""Answers without the store, whoever asks."""
ENTER: Final = "/enter"
"""Where a link is used; nowhere else does a link open anything."""
LOGIN: Final = "/login"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)

CALLER: Final = "matakota.caller"
"""Where in the scope the ``Caller`` is found behind the door."""
ASK: Final = "matakota.ask"
"""Where in the scope the ``Ask`` is found, also of what is open to everybody."""
INSIDER: Final = "matakota.insider"
"""Whether the scope's caller may read how the system is, or is on this machine, and so may read
names of hosts."""
FORM_TOKEN: Final = "matakota.form_token"  # noqa: S105
"""What forms of a page have to send back in ``TOKEN_FIELD``; None where the browser has nothing
yet that it could be made of."""
TOKEN_FIELD: Final = "token"  # noqa: S105
"""The field of a form, or in the header ``X-CSRF-Token``."""

_PREFIX: Final[Mapping[Kind, str]] = {
    "key": "mk", "session": "ms", "link": "ml", "setup": "ml", "password": "ml", "device": "md",
}  # fmt: skip
_PORT: Final = re.compile(r":[0-9]+$", re.ASCII)
_TOKEN: Final = re.compile(r"(mk|ms|ml|md)_([0-9a-f]{8})_([0-9a-f]{64})", re.ASCII)
_BEARER: Final = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +(\S+) *", re.ASCII)
_FORWARDED: Final = frozenset({
    b"forwarded", b"via", b"x-real-ip", b"x-forwarded-for", b"x-forwarded-proto",
    b"x-forwarded-host", b"x-forwarded-port",
})  # fmt: skip
_READING: Final = frozenset({"GET", "HEAD"})
_OWN_SITE: Final = frozenset({"same-origin", "none"})


@dataclass(frozen=True, slots=True)
class Token:
    """What a caller presents: the id and the secret of a key, a session or a link."""

    id: str
    secret: str
    kind: Kind = "key"

    def __repr__(self) -> str:
        return f"Token({self.id})"

    def reveal(self) -> str:
        """The whole of it, as it is shown once and sent by its owner."""
        return f"{_PREFIX[self.kind]}_{self.id}_{self.secret}"

    @property
    def hash(self) -> str:
        """The sha256 of the secret, in hex: with 256 random bits nothing slower is needed."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


def new_token(kind: Kind = "key") -> Token:
    """One that nobody can guess."""
    return Token(secrets.token_hex(4), secrets.token_hex(32), kind)


@dataclass(frozen=True, slots=True)
class Ask:
    """What the decision is taken on. ``path`` is the one that routes are chosen by; ``peer`` the
    address that asks, ``port`` the one at this end; header names are in lower case. ``proxied``
    says that a trusted proxy asks for ``peer``, ``tls`` that the browser's way is encrypted;
    ``form`` is the token in a form that is sent."""

    kind: str
    path: str
    root_path: str
    peer: str | None
    headers: Sequence[tuple[bytes, bytes]] = field(repr=False)
    method: str = "GET"
    query: bytes = field(default=b"", repr=False)
    port: int = 0
    tls: bool = False
    proxied: bool = False
    form: str | None = field(default=None, repr=False)

    def values(self, name: bytes) -> list[str]:
        """What each header of this name holds."""
        return [value.decode("latin-1") for given, value in self.headers if given == name]

    def cookies(self, name: str) -> list[str]:
        """What each cookie of this name holds."""
        pairs = [part.partition("=") for line in self.values(b"cookie") for part in line.split(";")]
        return [value.strip(" \t") for key, _, value in pairs if key.strip(" \t") == name]

    def cookie_name(self, what: str = "") -> str:
        """The cookie of a session, or of ``what``. Browsers do not tell the ports of a host apart;
        its name does. Where the way is encrypted, only this very host can set it."""
        return f"{'__Host-' if self.tls else ''}matakota_{self.port}{what and '_' + what}"

    @property
    def is_reading(self) -> bool:
        return self.kind == "http" and self.method in _READING


@dataclass(frozen=True, slots=True)
class Decision:
    """``status`` 200 lets in; anything else refuses, for the reason ``detail``, which pages say in
    the person's language."""

    status: int
    detail: str = ""

    @property
    def allowed(self) -> bool:
        return self.status == 200


ALLOWED: Final = Decision(200)
NO_KEY: Final = Decision(
    401,
    N_(
        "send a machine key, as 'Authorization: Bearer mk_…': 'matakota keys create' makes one; a "
        "person signs in at /login"
    ),
)
WRONG_KEY: Final = Decision(401, N_("this machine key is unknown or revoked: use another one"))
TWO_KEYS: Final = Decision(401, N_("send one machine key, in one header, once"))
WRONG_SESSION: Final = Decision(401, N_("this session is unknown or over: sign in again at /login"))
TWO_SESSIONS: Final = Decision(
    401, N_("send one session: delete this server's cookies, and sign in again at /login")
)
WRONG_LINK: Final = Decision(
    401,
    N_(
        "this link is unknown, used already or too old: ask an administrator for a new one, or "
        "run 'matakota link' on the server"
    ),
)
NOT_LOCAL: Final = Decision(
    403,
    N_("this server answers its own machine only: start 'matakota serve' with --host to open it"),
)
NOT_SECURE: Final = Decision(
    403,
    N_(
        "over plain HTTP this server answers its own machine only: use HTTPS, with --tls-cert, or "
        "with a proxy that is named with --trusted-proxy and sends X-Forwarded-Proto"
    ),
)
UNNAMED_PROXY: Final = Decision(
    403,
    N_(
        "a proxy on this machine asks for somebody else: name it with --trusted-proxy when "
        "starting 'matakota serve'"
    ),
)
OTHER_SITE: Final = Decision(
    403,
    N_(
        "this was not sent by a page of this server (its Origin is another one, or missing): open "
        "the page here and try again; a proxy in between has to pass on Host"
    ),
)
NO_TOKEN: Final = Decision(
    403,
    N_("this form is too old, or came without its token: load the page again, and send it again"),
)
NOT_YOURS: Final = Decision(
    403, N_("your role, or the scopes of this key, do not include this: ask an administrator")
)
NOTHING: Final = Decision(
    404, N_("there is nothing at this path: GET /openapi.json lists what there is")
)
OTHER_METHOD: Final = Decision(
    405, N_("this path takes other methods: GET /openapi.json lists them")
)
NO_CAMERA: Final = Decision(404, N_("there is no such camera: GET /api/v1/cameras lists them"))
_WRONG: Final[Mapping[Kind, Decision]] = {
    "key": WRONG_KEY, "session": WRONG_SESSION, "link": WRONG_LINK,
}  # fmt: skip


def presented(ask: Ask) -> Token | Decision:
    """What is to open the door, or why there is none: at ``ENTER`` the link, anywhere else the
    machine key, and where there is none the session."""
    if ask.kind == "http" and ask.path == ENTER and not ask.root_path and ask.query:
        return linked(ask.query) or WRONG_LINK
    found = _keys(ask)
    if not found:
        return _session(ask)
    if len(found) > 1:
        return TWO_KEYS
    name, raw = found[0]
    text = raw.decode("latin-1")
    if name == b"authorization":
        bearer = _BEARER.fullmatch(text)
        if bearer is None:
            return NO_KEY
        text = bearer[1]
    return read_token("key", text.strip(" \t")) or WRONG_KEY


def _keys(ask: Ask) -> list[tuple[bytes, bytes]]:
    return [each for each in ask.headers if each[0] in {b"authorization", b"x-api-key"}]


def linked(query: bytes) -> Token | None:
    """The link in the query of an address."""
    name, _, value = query.decode("latin-1").partition("=")
    return read_token("link", value) if name == "link" else None


def _session(ask: Ask) -> Token | Decision:
    found = ask.cookies(ask.cookie_name())
    if len(found) > 1:
        return TWO_SESSIONS
    return (read_token("session", found[0]) or WRONG_SESSION) if found else NO_KEY


def read_token(kind: Kind, text: str) -> Token | None:
    """The key, session, link or device that is written like this."""
    match = _TOKEN.fullmatch(text)
    return Token(match[2], match[3], kind) if match and match[1] == _PREFIX[kind] else None


def decide(ask: Ask, *, everywhere: bool, holder: Holder | None, now: float) -> Decision:
    """Whether ``ask`` is let in at ``now``, UTC seconds. ``everywhere`` is False where only this
    machine and trusted proxies may ask; ``holder`` is what has the id that was presented."""
    way = _way(ask, everywhere=everywhere)
    if not way.allowed:
        return way
    # exactly these paths, as they are routed: any other spelling is another path
    found = Found(None) if ask.root_path else find_rule(ask.kind, ask.method, ask.path)
    rule = found.rule
    if rule is not None and rule.needs is None:
        return ALLOWED if ask.is_reading else _own_form(ask, _form_secrets(ask))
    decision = opened(ask, holder=holder, now=now)
    if not decision.allowed or holder is None:
        return decision
    if rule is None or rule.needs is None:
        return OTHER_METHOD if found.other_methods else NOTHING
    if not holder.caller.may(rule.needs):
        return NOT_YOURS
    # of a camera that is not theirs, nobody hears whether there is one
    if found.camera is not None and not holder.caller.sees(found.camera):
        return NO_CAMERA
    return ALLOWED


def _way(ask: Ask, *, everywhere: bool) -> Decision:
    """Whether what is asked may come the way that it came."""
    if ask.proxied:
        return ALLOWED if ask.tls else NOT_SECURE
    if _is_loopback(ask.peer):
        return UNNAMED_PROXY if _is_relayed(ask) else ALLOWED
    if not everywhere:
        return NOT_LOCAL
    return ALLOWED if ask.tls else NOT_SECURE


def opened(ask: Ask, *, holder: Holder | None, now: float) -> Decision:
    """Whether what ``ask`` presents is what ``holder`` has, and opens the door at ``now``."""
    token = presented(ask)
    if isinstance(token, Decision):
        return token
    if token.kind == "session" and not _is_own(ask):
        return OTHER_SITE
    key = None if holder is None else holder.key
    same = hmac.compare_digest(token.hash, key.hash if key is not None else "0" * 64)
    known = key is not None and key.id == token.id and _PREFIX[key.kind] == _PREFIX[token.kind]
    if not (same and known and holder is not None and holder.is_live(now)):
        return _WRONG[token.kind]
    if token.kind == "key" or ask.is_reading or ask.kind != "http":
        return ALLOWED
    return _own_form(ask, [token.reveal()])


def form_token(secret: str) -> str:
    """What a page's forms send back, made of what only this browser and this server have."""
    return hmac.new(secret.encode(), b"form", hashlib.sha256).hexdigest()


def form_secret(ask: Ask) -> str | None:
    """What the tokens of forms are made of that this browser gets: of its session or link, or of
    the cookie for whoever has neither."""
    token = presented(ask)
    if isinstance(token, Token) and token.kind != "key":
        return token.reveal()
    return next((value for value in ask.cookies(ask.cookie_name("form")) if value), None)


def _form_secrets(ask: Ask) -> list[str]:
    """Of an open form: it may have been loaded before a session began or ended."""
    names = (ask.cookie_name(), ask.cookie_name("form"))
    return [value for name in names for value in ask.cookies(name) if value]


def _own_form(ask: Ask, secrets_: Sequence[str]) -> Decision:
    """Whether a page of ours sends what changes something, and it has the token to show it."""
    if not _is_own(ask):
        return OTHER_SITE
    sent = [*ask.values(b"x-csrf-token"), *([ask.form] if ask.form is not None else [])]
    if len(sent) != 1 or not sent[0].isascii():
        return NO_TOKEN
    right = [hmac.compare_digest(sent[0], form_token(secret)) for secret in secrets_]
    return ALLOWED if any(right) else NO_TOKEN


def _is_own(ask: Ask) -> bool:
    """Whether the person or a page of ours asks, as far as the browser tells: a browser sends its
    cookies also when another site's page asks."""
    own = all(site in _OWN_SITE for site in ask.values(b"sec-fetch-site"))
    if ask.is_reading:
        # somebody may come here from another page, but that page may not use what is here
        return own or ask.values(b"sec-fetch-mode") == ["navigate"]
    # every browser names the origin of a socket, and of what it sends
    origins, hosts = ask.values(b"origin"), ask.values(b"host")
    if len(origins) != 1 or len(hosts) != 1 or not hosts[0]:
        return False
    scheme = "https" if ask.tls else "http"
    return own and origins[0] == f"{scheme}://{hosts[0].lower()}"


def _is_loopback(peer: str | None) -> bool:
    try:
        address = ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def is_here(ask: Ask) -> bool:
    """Whether this machine asks for itself, as far as its headers tell: a proxy on it asks for
    others, and so does a foreign page whose name was made to lead here."""
    if ask.proxied or not _is_loopback(ask.peer) or _is_relayed(ask):
        return False
    return all(map(_names_this_machine, ask.values(b"host")))


def _is_relayed(ask: Ask) -> bool:
    return any(name in _FORWARDED for name, _ in ask.headers)


def may_hear_why(ask: Ask, holder: Holder | None) -> bool:
    """Whether reasons may be said that name hosts, folders and workers."""
    may = holder is not None and holder.caller.may(Permission.SYSTEM_READ)
    return may or is_here(ask)


def _names_this_machine(host: str) -> bool:
    name = _PORT.sub("", host).strip("[]").lower()
    return name == "localhost" or _is_loopback(name)

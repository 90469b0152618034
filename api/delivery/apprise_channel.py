"""Messages for people: chat, mail and telephones through Apprise, as far as a server may use it
that holds what this one does. Pictures are not sent.

Of Apprise's many services those are taken that do nothing but send a message to a host that is
known beforehand, or that can be looked at.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Final
from urllib.parse import parse_qsl

import apprise

from api.delivery.addresses import (
    Network,
    RefusedAddressError,
    Resolve,
    allowed_ips,
    look_up,
    within,
)
from api.delivery.sender import STOPPED
from api.delivery.words import Words
from api.store.letters import Answer, Letter
from vision.errors import ConfigError

TRY_S: Final = 30.0
"""All of one try. Mail and chat take several requests."""
ANSWER_S: Final = 8.0
"""One request of it, to connect and to be answered."""
FIXED: Final = frozenset({"tgram", "slack", "discord", "twilio", "whatsapp", "pover"})
"""Services that have one host, by HTTPS."""
MICROSOFT: Final = frozenset({"workflow", "workflows"})
"""By HTTPS to the host that the address names."""
HOSTED: Final = frozenset({"gotify", "matrix", "mmost", "ntfy", "rocket", "signal"})
"""Services at a host of one's own, with an 's' behind by HTTPS."""
MAIL: Final = frozenset({"mailto", "mailtos"})
SCHEMES: Final = FIXED | MICROSOFT | HOSTED | {f"{name}s" for name in HOSTED} | MAIL
ARGUMENTS: Final = frozenset({
    "api-version", "apikey", "auth", "bcc", "botname", "cc", "channel", "channels", "detect",
    "expire", "format", "from", "id", "interval", "lang", "mode", "msgtype", "name", "overflow",
    "pa", "pass", "path", "powerautomate", "preview", "priority", "reply", "route", "routeid",
    "sid", "sig", "silent", "smtp", "sound", "team", "thread", "to", "token", "topic", "user",
    "ver", "version", "webhook", "xtags",
})  # fmt: skip
"""What may stand behind the '?'. The others read files, attach what they find elsewhere, or make
certificates not count."""
_SCHEME: Final = re.compile(r"([a-z]{2,20})://", re.IGNORECASE)
_FAILED: Final = "the service did not take it: check the channel's address and what it opens"


class AppriseSender:
    """One address of Apprise. ``words`` writes a letter; ``resolve`` gives the addresses of a name.
    Raises ConfigError, which repeats nothing of the address but its scheme."""

    def __init__(
        self,
        url: str,
        words: Callable[[Letter], Words],
        *,
        networks: Sequence[Network],
        resolve: Resolve = look_up,
        try_s: float = TRY_S,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._scheme, self._service = _service(url, answer_s)
        self._host = _host(self._scheme, self._service)
        self._words = words
        self._networks = tuple(networks)
        self._resolve = resolve
        self._try_s = try_s
        self._lock = Lock()
        self._closed = False
        self._answers: SimpleQueue[Answer] = SimpleQueue()
        self._thread: Thread | None = None

    def __repr__(self) -> str:
        return f"AppriseSender({self._scheme})"

    def send(self, letter: Letter) -> Answer:
        try:
            self._look_at_host()
        except RefusedAddressError as error:
            return Answer(False, str(error))
        except OSError:
            return Answer(False, f"the name {self._host} is not known: check it, and the DNS")
        if self._thread is not None and self._thread.is_alive():
            return Answer(False, f"the try before still waits for {self._named()}")
        words = self._words(letter)
        answers: SimpleQueue[Answer] = SimpleQueue()
        with self._lock:
            if self._closed:
                return STOPPED
            self._answers = answers
        # its requests have time-outs that begin anew with every byte, and may be many
        self._thread = Thread(
            target=lambda: answers.put(self._try(letter, words)), name="apprise", daemon=True
        )
        self._thread.start()
        try:
            return answers.get(timeout=self._try_s)
        except Empty:
            return Answer(False, f"{self._named()} does not answer within {self._try_s:g} s")

    def close(self) -> None:
        """End waiting for a try that runs."""
        with self._lock:
            self._closed = True
            self._answers.put(STOPPED)

    def _try(self, letter: Letter, words: Words) -> Answer:
        kind = apprise.NotifyType.FAILURE if letter.urgent else apprise.NotifyType.WARNING
        sending = apprise.Apprise(asset=self._service.asset)
        sending.add(self._service)
        # it says what failed in the log alone, where secrets would stand too
        sent = sending.notify(
            body=words.body,
            title=words.title,
            notify_type=kind,
            body_format=apprise.NotifyFormat.TEXT,
        )
        return Answer(True, "") if sent else Answer(False, f"{self._named()}: {_FAILED}")

    def _look_at_host(self) -> None:
        """Raises RefusedAddressError where messages may not go there, OSError where it has no
        address. It is looked up once more when it is sent to."""
        if self._host is None:
            return
        ips = allowed_ips(self._host, self._service.port or 0, self._networks, self._resolve)
        private = all(within(ip, self._networks) for ip in ips)
        if not private and not _is_secure(self._scheme, self._service):
            raise RefusedAddressError(
                f"messages go to {self._host} encrypted alone: write '{self._scheme}s://', or list "
                "its network under 'networks'"
            )

    def _named(self) -> str:
        return self._scheme if self._host is None else f"{self._scheme} at {self._host}"


def _service(url: str, answer_s: float) -> tuple[str, Any]:
    """The scheme of an address, and what Apprise makes of it."""
    _keep_quiet()
    match = _SCHEME.match(url)
    scheme = "" if match is None else match[1].lower()
    if scheme not in SCHEMES:
        known = ", ".join(sorted(SCHEMES))
        raise ConfigError(f"messages are not sent by '{scheme or 'that'}': use one of {known}")
    # Apprise begins another argument at each ';' too
    arguments = url.partition("?")[2].replace(";", "&")
    asked = {name.lower() for name, _ in parse_qsl(arguments, keep_blank_values=True)}
    if asked - ARGUMENTS:
        raise ConfigError(
            f"the address of a {scheme} channel has an argument behind its '?' that is not taken "
            f"here: leave all out but {', '.join(sorted(ARGUMENTS))}"
        )
    asset = apprise.AppriseAsset(
        app_id="Matakota", app_desc="Matakota", app_url="", image_url_mask="", image_path_mask="",
        async_mode=False, secure_logging=True,
    )  # fmt: skip
    service: Any = apprise.Apprise.instantiate(url, asset=asset)
    if service is None:
        raise ConfigError(
            f"the address of a {scheme} channel cannot be read: write it as Apprise's "
            "documentation of that service says"
        )
    service.socket_connect_timeout = service.socket_read_timeout = answer_s
    service.redirects = False
    service.retry = 0
    # between two messages it would sleep; how often a channel is told something is set elsewhere
    service.request_rate_per_sec = 0
    if "overflow" not in asked:
        # what matters stands first, and each part of a message in pieces would ring
        service.overflow_mode = apprise.OverflowMode.TRUNCATE
    if scheme.startswith("matrix"):
        # it would go where a file at that host says
        service.discovery = False
    return scheme, service


def _host(scheme: str, service: Any) -> str | None:
    """The host that messages go to, None where it is the service's own."""
    if scheme in FIXED:
        return None
    if scheme in MAIL:
        return str(service.smtp_host)
    if scheme.startswith("ntfy") and service.mode == "cloud":
        return None
    if scheme.startswith("matrix") and service.mode == "t2bot":
        return None
    return str(service.host)


def _is_secure(scheme: str, service: Any) -> bool:
    if scheme in MAIL:
        return bool(service.secure_mode != "insecure")
    return scheme in MICROSOFT or scheme.endswith("s")


def _keep_quiet() -> None:
    """What these log has addresses in it, with what opens them."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    logging.getLogger("urllib3").setLevel(logging.ERROR)

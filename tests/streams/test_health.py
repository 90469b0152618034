"""Health codes have sentences, and what is written for people has no passwords in it."""

from __future__ import annotations

from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from streams.health import HIDDEN, SENTENCES, Code, Health, Redactor, State

CANARY = "kanarie-9f3"


def test_every_code_has_a_sentence_with_a_next_step() -> None:
    assert set(SENTENCES) == set(Code)
    for sentence in SENTENCES.values():
        assert ": " in sentence
        assert "\n" not in sentence
        assert not sentence.endswith(".")


def test_health_speaks_only_where_something_is_wrong() -> None:
    assert Health(State.LIVE, None, 1.0).message == ""
    assert Health(State.DOWN, Code.STALLED, 1.0).message == SENTENCES[Code.STALLED]
    # a live camera may carry a warning
    assert "NTP" in Health(State.LIVE, Code.CLOCK_SKEW, 1.0).message


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("rtsp://me:pw@10.0.0.5:554/a?b=c", f"rtsp://{HIDDEN}@10.0.0.5:554/a?b=c"),
        ("rtsp://me@10.0.0.5/a", f"rtsp://{HIDDEN}@10.0.0.5/a"),
        ("rtsp://me:p@ss@10.0.0.5/a", f"rtsp://{HIDDEN}@10.0.0.5/a"),
        ("redis://:pw@host:6379/0", f"redis://{HIDDEN}@host:6379/0"),
        ("two: rtsp://a:b@c/ rtsp://d:e@f/", f"two: rtsp://{HIDDEN}@c/ rtsp://{HIDDEN}@f/"),
        ("'rtsp://a:b@c'", f"'rtsp://{HIDDEN}@c'"),
        # nothing to hide
        ("rtsp://10.0.0.5:554/a@b", "rtsp://10.0.0.5:554/a@b"),
        ("write to me@example.org", "write to me@example.org"),
        ("http://host/path?mail=a@b", "http://host/path?mail=a@b"),
        ("", ""),
    ],
)
def test_logins_in_addresses_are_hidden_and_hosts_are_not(text: str, clean: str) -> None:
    assert Redactor().text(text) == clean


def test_known_secrets_are_hidden_wherever_they_stand() -> None:
    redactor = Redactor([CANARY, "", "long-" + CANARY, "geheim"])
    said = redactor.text(f"<{CANARY}> long-{CANARY} {CANARY}{CANARY} geheimnis")
    assert said == f"<{HIDDEN}> {HIDDEN} {HIDDEN}{HIDDEN} {HIDDEN}nis"
    assert CANARY not in repr(redactor)
    # an empty secret hides nothing
    assert Redactor([""]).text("abc") == "abc"


def test_one_that_hides_more_hides_what_was_hidden_too() -> None:
    redactor = Redactor([CANARY]).hiding(["geheim"]).hiding([])
    assert redactor.text(f"{CANARY} geheim") == f"{HIDDEN} {HIDDEN}"


class Thing:
    def __repr__(self) -> str:
        return f"Thing({CANARY})"


@pytest.mark.parametrize(
    "value",
    [
        CANARY,
        f"rtsp://me:{CANARY}@host/",
        [CANARY],
        (1, (CANARY,)),
        {"password": CANARY},
        {CANARY: 1},
        {"a": [{"b": CANARY}]},
        Thing(),
        ValueError(CANARY),
        CANARY.encode(),
        {CANARY},
    ],
)
def test_no_value_of_a_log_line_shows_one(value: Any) -> None:
    with structlog.testing.capture_logs(processors=[Redactor([CANARY])]) as logs:
        structlog.get_logger().info(f"event {CANARY}", value=value, camera="cam1", n=5)
    assert CANARY not in repr(logs)
    assert logs[0]["camera"] == "cam1"
    assert logs[0]["n"] == 5


@pytest.mark.parametrize("value", [True, None, 0, 1.5, "plain", ["a", 1], {"a": None}])
def test_what_is_no_secret_stays_as_it_is(value: Any) -> None:
    assert Redactor([CANARY])(None, "info", {"event": "e", "value": value})["value"] == value


@given(
    secret=st.text("abcAB1/@:#% -", min_size=4, max_size=12).filter(lambda text: "*" not in text),
    before=st.text(max_size=10),
    after=st.text(max_size=10),
)
def test_no_text_keeps_a_secret(secret: str, before: str, after: str) -> None:
    assert secret not in Redactor([secret]).text(f"{before} {secret} {after}")

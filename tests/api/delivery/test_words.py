"""What people read: everything that is needed to act, in their language, within bounds."""

from __future__ import annotations

from typing import Any

import pytest

from api.alerting.settings import Advice, Matcher, Telephone
from api.delivery.words import MAX_BODY_CHARS, MAX_ROWS, Wording
from streams.messages import SYSTEM_CAMERA
from tests.api.delivery.receiver import letter, stored
from tests.api.served import DAY

ADVICE = Advice(
    match=Matcher(),
    text="Send the patrol to the lawn.",
    telephones=(Telephone(name="Patrol", number="+62 411 555 0100"),),
)
SITE = {"camera": SYSTEM_CAMERA, "kind": "site_down", "place": "losari"}
WORDS = Wording("en", lambda: {"plaza": "Losari plaza"}, lambda _: ADVICE)


def test_an_alert_says_what_where_when_how_bad_why_and_what_to_do() -> None:
    title, body = WORDS(letter(stored("x1")))
    assert title == "Intrusion, Losari plaza"
    for part in (
        "high severity", "Losari plaza (plaza)", "lawn", "2026-01-31 08:00:00 WITA", "on the lawn",
        "Send the patrol to the lawn.", "☎ Patrol: +62 411 555 0100", "x1",
    ):  # fmt: skip
        assert part in body, part


@pytest.mark.parametrize(
    ("what", "more", "title"),
    [
        ("opened", {}, "Intrusion, Losari plaza"),
        ("severity:high", {}, "Now high severity: Intrusion, Losari plaza"),
        ("closed", {"state": "closed"}, "Over: Intrusion, Losari plaza"),
        ("escalated:2", {}, "Nobody has acknowledged: Intrusion, Losari plaza"),
        ("opened", {"kind": "of_their_own"}, "Of their own, Losari plaza"),
        ("opened", {"camera": "road"}, "Intrusion, road"),
        ("opened", {"camera": SYSTEM_CAMERA, "place": ""}, "Intrusion, this system itself"),
        ("opened", SITE, "All cameras of a site down, losari"),
    ],
)
def test_the_title_says_why_it_is_sent(what: str, more: dict[str, Any], title: str) -> None:
    assert WORDS(letter(stored(**more), what=what)).title == title


def test_what_is_over_needs_nothing_done() -> None:
    body = WORDS(letter(stored(state="closed", end_ts=DAY + 60), what="closed")).body
    assert "08:01:00" in body
    assert ADVICE.text not in body


def test_what_no_camera_saw_says_so() -> None:
    assert "No real camera" in WORDS(letter(stored(synthetic=True))).body
    assert "No real camera" not in WORDS(letter(stored())).body


def test_a_digest_counts_by_kind_and_camera() -> None:
    alerts = [stored(f"a{n}", start_ts=DAY + n) for n in range(5)]
    alerts.append(stored("q", kind="queue", camera="road", severity="critical", start_ts=DAY + 60))
    title, body = WORDS(letter(*alerts))
    assert title == "6 alerts, critical"
    assert body.splitlines() == [
        "2026-01-31 08:00:00 WITA – 2026-01-31 08:01:00 WITA",
        "",
        "5 × Intrusion, Losari plaza (a0, a1, a2…)",
        "1 × Queue, road (q)",
    ]


def test_a_site_is_no_camera_and_no_other_site() -> None:
    body = WORDS(letter(stored(**SITE))).body
    assert "Place: losari" in body
    assert "Camera:" not in body
    _title, digest = WORDS(letter(stored("a", **SITE), stored("b", **SITE | {"place": "port"})))
    assert digest.splitlines()[2:] == [
        "1 × All cameras of a site down, losari (a)",
        "1 × All cameras of a site down, port (b)",
    ]


def test_a_digest_of_a_storm_has_an_end() -> None:
    alerts = [stored(f"{'a' * 75}{n}", camera=f"{'c' * 110}{n}") for n in range(1000)]
    title, body = WORDS(letter(*alerts))
    assert title == "1000 alerts, high severity"
    assert len(body) <= MAX_BODY_CHARS
    few = [stored(f"a{n}", camera=f"c{n}") for n in range(MAX_ROWS + 3)]
    assert WORDS(letter(*few)).body.endswith("and 3 more lines")


def test_long_words_are_cut_and_stay_in_their_line() -> None:
    why = "on\nthe\u202elawn\r\nSeverity: low " + "x" * 5000
    title, body = WORDS(letter(stored(details={"why": why}, place="a\nb", kind="k\nv")))
    assert "\n" not in title
    assert len(body) <= MAX_BODY_CHARS
    rows = [line for line in body.splitlines() if line.startswith("Severity")]
    assert rows == ["Severity: high severity"]
    assert "Place: a b" in body


def test_a_test_says_that_it_is_one() -> None:
    title, body = WORDS(letter(what="test:1"))
    assert title == "Test message"
    assert "nothing to do" in body


def test_without_names_and_advice_it_says_what_it_knows() -> None:
    title, body = Wording("en")(letter(stored()))
    assert title == "Intrusion, plaza"
    assert "What to do" not in body


def test_it_speaks_bahasa_indonesia() -> None:
    title, _body = Wording("id")(letter(stored()))
    assert title != "Intrusion, plaza"

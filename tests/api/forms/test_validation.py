"""Counting by hand, as pages: blind, kept with who and when, of own cameras, and harmless."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.access import Role
from api.pieces import BEGUN_S, path_of, remove, sweep
from api.store import Store
from tests.api.forms.pages import NAMES, Browser, browser, went_to
from tests.api.pieces import piece
from tests.api.served import DAY, TESTER, Api, add_user, api, sqlite_url

PATH = "/validation"
VIDEO = b"\0\0\0\x18ftypmp42 a piece of video"
MADE = piece(size=len(VIDEO))
ALL = [f"n-{way}-{name}" for way in range(2) for name in range(3)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "validation"
    made.mkdir()
    path_of(made, MADE.sha256).write_bytes(VIDEO)
    return made


@pytest.fixture
def city(tmp_path: Path, folder: Path) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path)) as store, api(store, pieces=folder) as running:
        yield running


@pytest.fixture
def desk(city: Api) -> Iterator[Browser]:
    """The browser of an analyst of one camera."""
    user = add_user(city.store, "Analis", Role.ANALYST, cameras=["plaza"])
    with browser(city, user) as opened:
        yield opened


def add(city: Api, **more: Any) -> int:
    return city.store.validations.add(piece(**{"size": len(VIDEO), **more}), TESTER)


def test_nothing_of_the_machine_is_shown_before_a_count_is_kept(city: Api, desk: Browser) -> None:
    number = add(city, machine={("in", "car"): 7301, ("out", "motorcycle"): 8302})
    for path in (PATH, f"{PATH}/{number}", f"{PATH}/{number}?again=1"):
        page = desk.open(path)
        assert page.status == 200
        assert "7301" not in page.answer.text
        assert "8302" not in page.answer.text
    action = f"{PATH}/{number}/count"
    assert [name for name, _ in page.form(action).fields if name in ALL] == [
        "n-0-0", "n-1-0", "n-0-1", "n-1-1", "n-0-2", "n-1-2",
    ]  # fmt: skip
    values = {"n-0-0": "11", "n-1-2": "1", "confirm": "1"}
    assert went_to(desk.send(page, action, **values)) == f"{PATH}/{number}?saved=1"
    page = desk.open(f"{PATH}/{number}?saved=1")
    assert "Your count is kept" in page.text
    assert "7301" in page.text
    assert "the machine counted 15603, and a person 12" in page.text
    # who counts again is not told either
    assert "7301" not in desk.open(f"{PATH}/{number}?again=1").answer.text
    (kept,) = city.store.validations.counts(number)
    assert kept.counts == {("in", "car"): 11, ("out", "other"): 1}
    assert kept.counted_by == "Analis"


def test_directions_point_where_the_line_counts_them(city: Api, desk: Browser) -> None:
    """Who walks down the picture has the left of it at their right-hand side, which is forward."""
    number = add(city, points=((0.5, 0.1), (0.5, 0.9)))
    text = desk.open(f"{PATH}/{number}").answer.text
    found = re.findall(r'<path class="arrow over" d="M320.0 180.0L(\S+) (\S+?)M', text)
    assert found == [("256.0", "180.0"), ("384.0", "180.0")]
    assert re.findall(r'text-anchor="(\w+)" dominant-baseline="central">(\w+)<', text) == [
        ("end", "in"), ("start", "out"),
    ]  # fmt: skip
    assert 'd="M320.0 36.0L320.0 324.0"' in text


def test_a_count_may_be_made_again_and_the_old_one_stays(city: Api, desk: Browser) -> None:
    number = add(city)
    for cars in ("3", "4"):
        page = desk.open(f"{PATH}/{number}?again=1")
        went_to(desk.send(page, f"{PATH}/{number}/count", **{"n-0-0": cars, "confirm": "1"}))
    page = desk.open(f"{PATH}/{number}")
    assert "not blind: left out" in page.text
    assert "replaced" not in page.text
    assert [each.counts["in", "car"] for each in city.store.validations.counts(number)] == [4, 3]
    # the machine's number was seen by then, and the first count holds
    assert "a person 3" in page.text
    assert "2 times" in desk.open(PATH).text


def test_whoever_has_not_counted_a_piece_counts_it_blind(
    city: Api, desk: Browser, office: Browser, folder: Path
) -> None:
    number = add(city, machine={("in", "car"): 7301})
    action = f"{PATH}/{number}/count"
    went_to(desk.send(desk.open(f"{PATH}/{number}"), action, **{"n-0-0": "3", "confirm": "1"}))
    page = office.open(f"{PATH}/{number}")
    assert "7301" not in page.answer.text
    assert page.form(action).values("n-0-0") == ["0"]
    assert "Compare" not in office.open(PATH).text
    assert "Compare" in desk.open(PATH).text
    went_to(office.send(page, action, **{"n-0-0": "5", "confirm": "1"}))
    for each in (office, desk):
        page = each.open(f"{PATH}/{number}")
        assert "the machine counted 7301, and a person 5" in page.text
        assert "replaced" in page.text
    # where nothing is left to count, the result is there for all who see the camera
    other = add(city, start_s=0, line="other", machine={("in", "car"): 7301})
    city.store.validations.save(other, {("in", "car"): 9}, TESTER, only=None)
    assert "7301" not in desk.open(f"{PATH}/{other}").answer.text
    path_of(folder, MADE.sha256).unlink()
    assert "7301" in desk.open(f"{PATH}/{other}").answer.text


WRONG = (
    ({"n-0-0": "11"}, "tick the box"),
    ({"n-0-0": "many", "confirm": "1"}, "“many” is no count"),
    ({"n-0-0": "-1", "confirm": "1"}, "“-1” is no count"),
    ({"n-0-0": "10000", "confirm": "1"}, "“10000” is no count"),
    ({"n-0-0": "1.5", "confirm": "1"}, "“1.5” is no count"),
)


def test_what_is_no_count_is_said_and_what_was_counted_stays(city: Api, desk: Browser) -> None:
    number = add(city)
    action = f"{PATH}/{number}/count"
    for values, said in WRONG:
        page = desk.send(desk.open(f"{PATH}/{number}"), action, **{"n-1-1": "42", **values})
        assert page.status == 422
        assert said in page.problem
        assert page.form(action).values("n-1-1") == ["42"]
    assert city.store.validations.counts(number) == []


def test_the_results_say_how_sure_they_are(city: Api, desk: Browser) -> None:
    for start_s, cars in ((0, 10), (600, 12), (1200, 10)):
        number = add(city, start_s=start_s)
        counts = {("in", "car"): cars, ("in", "motorcycle"): 31, ("out", "other"): 1}
        city.store.validations.save(number, counts, TESTER, only=None)
    page = desk.open(PATH)
    assert "3 pieces, 15 minutes together, by the model a-model." in page.text
    # 30 of 32; 3.69 / 32 is 11.5 %, and so the interval is no narrower
    assert "car −6.2 % (" in page.text
    assert "motorcycle −3.2 % (−7.2 % … +0.7 %) 90 93 1.033" in page.text
    assert "something else −100.0 %" in page.text
    assert "all together −6.2 %" in page.text
    assert "script" not in page.tags
    desk.client.headers["accept-language"] = "id"
    assert "sepeda motor −3,2 % (−7,2 % … +0,7 %) 90 93 1,033" in desk.open(PATH).text


def test_one_piece_is_too_few_to_tell(city: Api, desk: Browser) -> None:
    city.store.validations.save(add(city), {("in", "car"): 9}, TESTER, only=None)
    assert "car +11.1 % too few to tell 10 9 0.900" in desk.open(PATH).text


def test_the_video_comes_in_pieces_to_whoever_may(city: Api, desk: Browser) -> None:
    number = add(city)
    path = f"{PATH}/{number}/video"
    whole = desk.client.get(path)
    assert (whole.status_code, whole.content) == (200, VIDEO)
    assert whole.headers["content-type"] == "video/mp4"
    assert whole.headers["cache-control"] == "private, no-store"
    part = desk.client.get(path, headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert part.headers["content-range"] == f"bytes 4-7/{len(VIDEO)}"
    assert desk.client.get(path, headers={"range": "bytes=99-"}).status_code == 416
    page = desk.open(f"{PATH}/{number}")
    policy = page.answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "media-src 'self'" in policy
    assert "unsafe" not in policy


def test_who_does_not_see_the_camera_finds_nothing(
    city: Api, desk: Browser, office: Browser
) -> None:
    number = add(city, camera="gate")
    assert "gate" not in desk.open(PATH).text
    for path in (f"{PATH}/{number}", f"{PATH}/{number}/video", f"{PATH}/{number}?again=1"):
        assert desk.client.get(path).status_code == 404
    own = desk.open(f"{PATH}/{add(city)}")
    own.forms[-1].action = f"{PATH}/{number}/count"
    assert desk.send(own, f"{PATH}/{number}/count", confirm="1").status == 404
    # whoever sees it finds it
    assert office.open(f"{PATH}/{number}").status == 200
    assert city.store.validations.counts(number) == []


def test_what_is_no_piece_is_not_found(desk: Browser) -> None:
    for number in ("0", "99", "x", "9" * 30, "1e3"):
        assert desk.client.get(f"{PATH}/{number}").status_code == 404
        assert desk.client.get(f"{PATH}/{number}/video").status_code == 404


def test_a_video_that_is_gone_is_said(city: Api, desk: Browser, folder: Path) -> None:
    number = add(city)
    path_of(folder, MADE.sha256).unlink()
    page = desk.open(f"{PATH}/{number}")
    assert "Its video is gone" in page.text
    assert [form.action for form in page.forms if form.action.startswith(PATH)] == []
    assert desk.client.get(f"{PATH}/{number}/video").status_code == 404


def test_names_do_no_harm(city: Api, desk: Browser) -> None:
    for start_s, name in enumerate((*NAMES, "x" * 120)):
        line, of = name[:120], name[:80]
        number = add(
            city, start_s=start_s, line=line, directions=(line, "out"), classes=(of,), machine={}
        )
        for _ in range(2):
            for path in (PATH, f"{PATH}/{number}"):
                page = desk.open(path)
                assert page.status == 200
                # the brand's picture, and none of a name
                assert page.tags.count("img") == 1
                assert " ".join(name[:20].split()) in page.text
            city.store.validations.save(number, {(line, of): 5}, TESTER, only=None)


# --- how pieces go


def test_what_expires_is_removed_and_results_stay(city: Api, folder: Path) -> None:
    number = add(city, keep_until=DAY + 10)
    city.store.validations.save(number, {("in", "car"): 9}, TESTER, only=None)
    # the same film and time, counted on another line, is the same file
    other = add(city, line="other", keep_until=DAY + 20)
    path = path_of(folder, MADE.sha256)
    sweep(city.store, folder, DAY + 9)
    assert path.exists()
    sweep(city.store, folder, DAY + 10)
    assert path.exists()
    assert city.store.validations.expired(DAY + 10) == []
    sweep(city.store, folder, DAY + 20)
    assert not path.exists()
    listed = {
        each.piece.id: each.piece.removed_at for each in city.store.validations.listed(only=None)
    }
    assert None not in listed.values()
    assert set(listed) == {number, other}
    assert city.store.validations.of("plaza", "gate") is not None


def test_what_is_removed_by_hand_goes_at_once(city: Api, folder: Path) -> None:
    remove(city.store, folder, [add(city)], TESTER, now=DAY)
    assert list(folder.iterdir()) == []


def test_a_file_that_belongs_to_nothing_goes_later(city: Api, folder: Path) -> None:
    stray = path_of(folder, MADE.sha256)
    now = stray.stat().st_mtime
    sweep(city.store, folder, now + BEGUN_S - 60)
    assert stray.exists()
    sweep(city.store, folder, now + BEGUN_S + 60)
    assert not stray.exists()

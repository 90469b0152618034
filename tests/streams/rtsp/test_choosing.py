"""Which stream is opened next, step by step: no camera is asked twice for nothing."""

from __future__ import annotations

import pytest

import streams.rtsp.choosing as module
from streams.health import Code
from streams.rtsp.choosing import Choice, SwitchError
from streams.rtsp.dialing import AttemptError
from tests.streams.rtsp.wishes import Wanted

MAIN, SUB = "/cam/stream1", "/cam/stream2"
BIG, SMALL, OTHER = (1280, 720), (640, 360), (704, 576)
LATE_S = 2 * module.LONGEST_ABSENT_S


def begun(choice: Choice, now: float = 0.0) -> tuple[str, str]:
    choice.begin(now)
    return choice.stream, choice.path


def stays(choice: Choice, size: tuple[int, int], live_s: float = 0.0, now: float = 0.0) -> bool:
    """While just as many pictures come as are due."""
    return not choice.check(size, round(5 * live_s), live_s, 5.0, now)


def fails(choice: Choice, code: Code, now: float = 0.0, *, reached: bool = True) -> bool:
    """Whether another stream is opened after it."""
    return choice.over(AttemptError(code), reached=reached, now=now) is not None


def test_a_sub_stream_that_fits_is_looked_at() -> None:
    choice = Choice(MAIN, Wanted())
    assert begun(choice) == ("sub", SUB)
    assert stays(choice, SMALL)
    assert stays(choice, SMALL, 60)


@pytest.mark.parametrize("wish", [None, Wanted("off"), Wanted("auto", None), Wanted(MAIN)])
def test_without_a_wish_or_a_known_shape_the_main_stream_is(wish: Wanted | None) -> None:
    choice = Choice(MAIN, wish)
    assert begun(choice) == ("main", MAIN)


def test_an_unknown_scheme_has_none() -> None:
    choice = Choice("/live", Wanted())
    assert begun(choice) == ("main", "/live")
    assert stays(choice, BIG, 3600, LATE_S)


@pytest.mark.parametrize("size", [OTHER, (320, 180), (640, 352)])
def test_what_does_not_fit_is_left(size: tuple[int, int]) -> None:
    choice = Choice(MAIN, Wanted(least=416))
    assert begun(choice)[0] == "sub"
    assert not stays(choice, size)


def test_what_is_larger_than_the_main_stream_is_left() -> None:
    # the scene was drawn on a small picture: it says nothing of how large the main stream is
    choice = Choice(MAIN, Wanted("auto", SMALL))
    assert begun(choice) == ("sub", SUB)
    assert stays(choice, BIG)
    assert fails(choice, Code.STALLED)
    begun(choice)
    assert stays(choice, BIG)
    assert begun(choice, LATE_S)[0] == "sub"
    assert stays(choice, BIG)
    assert not stays(choice, (1920, 1080))


def test_one_that_is_not_there_is_not_asked_for_again_for_long() -> None:
    choice = Choice(MAIN, Wanted())
    begun(choice)
    assert fails(choice, Code.NOT_FOUND)
    assert begun(choice) == ("main", MAIN)
    # the main stream is never interrupted for it
    assert stays(choice, BIG, 3600, LATE_S)
    # and each new connection asks once at the most, ever less often
    pauses, now = [], 0.0
    for _ in range(8):
        asked = now
        while begun(choice, now)[0] == "main":
            now += 60
        pauses.append(now - asked)
        assert fails(choice, Code.NOT_FOUND, now)
    assert pauses[0] >= 0.7 * module.ABSENT_HOLD_S
    assert pauses[-1] >= 0.7 * module.LONGEST_ABSENT_S
    assert max(pauses) <= 1.3 * module.LONGEST_ABSENT_S + 60


def test_one_that_dies_comes_back_after_a_while() -> None:
    choice = Choice(MAIN, Wanted())
    begun(choice)
    assert stays(choice, SMALL)
    assert fails(choice, Code.STALLED)
    assert begun(choice, 1) == ("main", MAIN)
    assert stays(choice, BIG, 60, 60)
    assert not stays(choice, BIG, 400, 400)
    assert choice.over(SwitchError("x"), reached=True, now=400) == "x"
    assert begun(choice, 400) == ("sub", SUB)
    # the second time it is left alone for longer
    assert fails(choice, Code.STALLED, 400)
    begun(choice, 401)
    assert stays(choice, BIG, 400, 800)
    assert not stays(choice, BIG, 900, 1300)


def test_a_camera_that_was_away_does_not_blame_its_sub_stream() -> None:
    choice = Choice(MAIN, Wanted())
    begun(choice)
    assert stays(choice, SMALL)
    assert fails(choice, Code.DISCONNECTED)
    assert begun(choice, 1)[0] == "main"
    assert not fails(choice, Code.UNREACHABLE, 2, reached=False)
    assert begun(choice, 3) == ("sub", SUB)
    # where nothing answers, it is the camera that is down
    assert not fails(choice, Code.UNREACHABLE, 4, reached=False)


@pytest.mark.parametrize("code", [Code.NO_VIDEO, Code.STALLED, Code.NOT_FOUND])
def test_where_the_main_stream_shows_nothing_its_sub_stream_is_soon_asked_again(
    code: Code,
) -> None:
    choice = Choice(MAIN, Wanted())
    begun(choice)
    assert stays(choice, SMALL)
    for now in (0, 100, 200):
        assert fails(choice, Code.STALLED, now)
        assert begun(choice, now + 1)[0] == "main"
        assert not fails(choice, code, now + 2)
        assert begun(choice, now + 3)[0] == "main"
        assert not fails(choice, code, now + 4)
        assert begun(choice, now + 13) == ("sub", SUB)


def test_a_main_stream_that_showed_pictures_is_tried_again_itself() -> None:
    choice = Choice(MAIN, Wanted())
    begun(choice)
    assert stays(choice, SMALL)
    assert fails(choice, Code.STALLED)
    begun(choice, 1)
    assert stays(choice, BIG)
    assert not fails(choice, Code.STALLED, 2)
    assert begun(choice, 20)[0] == "main"
    # and one that never worked is no help
    choice = Choice(MAIN, Wanted())
    begun(choice)
    assert fails(choice, Code.NOT_FOUND)
    begun(choice, 1)
    assert not fails(choice, Code.NO_VIDEO, 2)
    assert begun(choice, 20)[0] == "main"


@pytest.mark.parametrize("worked", [True, False])
def test_a_decoder_that_breaks_is_not_the_sub_streams_fault(worked: bool) -> None:
    choice = Choice(MAIN, Wanted())
    begun(choice)
    assert not worked or stays(choice, SMALL)
    assert not fails(choice, Code.DECODER_FAILED)
    assert begun(choice, 1) == ("sub", SUB)
    # unless it breaks each time, and the one of the main stream does not
    assert fails(choice, Code.DECODER_FAILED, 1)
    assert begun(choice, 2)[0] == "main"
    assert not fails(choice, Code.DECODER_FAILED, 2)
    assert begun(choice, 13) == ("sub", SUB)
    assert stays(choice, SMALL, 60, 73)
    assert not fails(choice, Code.DECODER_FAILED, 73)
    assert fails(choice, Code.DECODER_FAILED, 74)
    assert begun(choice, 75)[0] == "main"
    assert stays(choice, BIG)
    assert not fails(choice, Code.DISCONNECTED, 76)
    assert begun(choice, 200)[0] == "main"


def test_a_refused_login_is_shown_once_more_and_not_each_time() -> None:
    choice = Choice(MAIN, Wanted())
    begun(choice)
    assert fails(choice, Code.UNAUTHORIZED)
    for now in range(1, 600, 30):
        assert begun(choice, now)[0] == "main"
        assert not fails(choice, Code.UNAUTHORIZED, now)


def test_a_camera_without_a_scene_shows_its_shape_first() -> None:
    choice = Choice(MAIN, Wanted("auto", None))
    assert begun(choice)[0] == "main"
    assert stays(choice, BIG, 5, 5)
    assert not stays(choice, BIG, 40, 40)
    choice.over(SwitchError("tried"), reached=True, now=40)
    assert begun(choice, 41) == ("sub", SUB)
    assert not stays(choice, OTHER)
    choice.over(SwitchError("shape"), reached=True, now=42)
    assert begun(choice, 43)[0] == "main"
    assert stays(choice, BIG, 3600, LATE_S)


def test_a_small_main_stream_is_good_enough() -> None:
    choice = Choice(MAIN, Wanted("auto", None))
    begun(choice)
    assert stays(choice, SMALL, 3600, LATE_S)


def test_too_few_pictures() -> None:
    choice = Choice(MAIN, Wanted())
    begun(choice)
    assert choice.check(SMALL, 20, 20.0, 5.0, 0.0) == "1.0 pictures a second are too few"
    begun(choice)
    assert choice.check(SMALL, 90, 20.0, 5.0, 0.0) == ""
    # what came long ago makes up for nothing
    assert choice.check(SMALL, 3000, 600.0, 5.0, 0.0) == ""
    assert choice.check(SMALL, 3005, 605.0, 5.0, 0.0) == ""
    assert choice.check(SMALL, 3010, 610.0, 5.0, 0.0) == "1.0 pictures a second are too few"
    choice.over(SwitchError("slow"), reached=True, now=610)
    assert begun(choice, 611)[0] == "main"
    # it worked, and may again
    assert stays(choice, BIG, 100, 711)
    assert not stays(choice, BIG, 400, 1011)
    # who names it knows why
    choice = Choice(MAIN, Wanted("/other"))
    begun(choice)
    assert choice.check(SMALL, 20, 20.0, 5.0, 0.0) == ""


def test_a_path_that_is_named_is_taken_as_it_is_but_for_its_shape() -> None:
    wish = Wanted("/other?x=1", None)
    choice = Choice(MAIN, wish)
    assert begun(choice) == ("sub", "/other?x=1")
    assert stays(choice, (1920, 1080))
    assert fails(choice, Code.STALLED)
    begun(choice)
    assert stays(choice, BIG)
    assert begun(choice, LATE_S)[0] == "sub"
    assert not stays(choice, OTHER)
    wish.stretch = True
    assert stays(choice, OTHER)


def test_the_wish_may_change() -> None:
    wish = Wanted("off")
    choice = Choice(MAIN, wish)
    begun(choice)
    assert stays(choice, BIG, 60, 60)
    wish.setting = "auto"
    assert not stays(choice, BIG, 61, 61)
    choice.over(SwitchError("tried"), reached=True, now=61)
    assert begun(choice, 62) == ("sub", SUB)
    assert stays(choice, SMALL)
    wish.setting = "/third"
    assert not stays(choice, SMALL)
    choice.over(SwitchError("other"), reached=True, now=63)
    assert begun(choice, 64) == ("sub", "/third")
    wish.setting = "off"
    assert not stays(choice, SMALL)
    choice.over(SwitchError("off"), reached=True, now=65)
    assert begun(choice, 66) == ("main", MAIN)
    assert stays(choice, BIG, 3600, LATE_S)


def test_a_scene_that_needs_more_pixels_keeps_the_main_stream() -> None:
    wish = Wanted()
    choice = Choice(MAIN, wish)
    begun(choice)
    assert stays(choice, SMALL)
    wish.least = 1000
    assert not stays(choice, SMALL)
    choice.over(SwitchError("pixels"), reached=True, now=1)
    begun(choice, 2)
    # it would be left at once
    assert stays(choice, BIG, 3600, LATE_S)
    wish.least = 0
    assert not stays(choice, BIG, 3600, LATE_S)

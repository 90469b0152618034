"""Where sub-streams are, by the makers' own schemes."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streams.rtsp.substream import SCHEMES, alike, sub_path
from vision.errors import SceneError
from vision.scene import SHAPE_TOLERANCE, Scene

WIDE = 16 / 9

PAIRS = [
    ("/Streaming/Channels/101", "/Streaming/Channels/102"),
    ("/Streaming/Channels/1601", "/Streaming/Channels/1602"),
    ("/streaming/channels/201/?mode=unicast", "/streaming/channels/202/?mode=unicast"),
    ("/ISAPI/Streaming/channels/101", "/ISAPI/Streaming/channels/102"),
    ("/h264/ch1/main/av_stream", "/h264/ch1/sub/av_stream"),
    ("/cam/realmonitor?channel=1&subtype=0", "/cam/realmonitor?channel=1&subtype=1"),
    ("/cam/realmonitor?subtype=0&channel=12", "/cam/realmonitor?subtype=1&channel=12"),
    ("/axis-media/media.amp", "/axis-media/media.amp?resolution=640x360"),
    (
        "/axis-media/media.amp?videocodec=h264&camera=2",
        "/axis-media/media.amp?resolution=640x360&videocodec=h264&camera=2",
    ),
    (
        "/axis-media/media.amp?camera=2&resolution=1920x1080&fps=10",
        "/axis-media/media.amp?camera=2&resolution=640x360&fps=10",
    ),
    ("/media/video1", "/media/video2"),
    ("/video1", "/video2"),
    ("/unicast/c3/s0/live", "/unicast/c3/s1/live"),
    ("/h264Preview_01_main", "/h264Preview_01_sub"),
    ("/h265Preview_01_main", "/h264Preview_01_sub"),
    ("/Preview_02_main", "/h264Preview_02_sub"),
    ("/stream1", "/stream2"),
    ("/plaza/stream1", "/plaza/stream2"),
    ("/live.sdp", "/live2.sdp"),
    ("/live1s1.sdp", "/live1s2.sdp"),
    ("/video?inst=1&line=2", "/video?inst=2&line=2"),
    ("/videoMain", "/videoSub"),
    ("/profile1", "/profile2"),
    ("/main", "/sub"),
    ("/channel1/main", "/channel1/sub"),
]  # fmt: skip


@pytest.mark.parametrize(("main", "sub"), PAIRS)
def test_the_schemes(main: str, sub: str) -> None:
    assert sub_path(main, WIDE) == sub
    # one that is a sub-stream already has none of its own
    assert sub_path(sub, WIDE) is None


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/plaza",
        "/Streaming/Channels/103",
        "/Streaming/Channels/1",
        "/cam/realmonitor?channel=1",
        "/profile2/media.smp",
        "/mainstreet",
        "/stream10",
        "/videoMain2",
        "/xmain/y",
    ],
)
def test_what_nobody_says_is_not_guessed(path: str) -> None:
    assert sub_path(path, WIDE) is None


def test_a_camera_that_makes_any_size_is_asked_for_one_of_the_same_shape() -> None:
    assert sub_path("/axis-media/media.amp", 4 / 3) == "/axis-media/media.amp?resolution=640x480"
    assert sub_path("/axis-media/media.amp", None) is None
    assert sub_path("/axis-media/media.amp", 1.0) is None


def test_every_scheme_is_tried_and_tells_where_it_is_written() -> None:
    for scheme in SCHEMES:
        assert scheme.see
        assert any(scheme.main.fullmatch(main) for main, _ in PAIRS), scheme.maker


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60))
def test_only_the_path_changes(text: str) -> None:
    found = sub_path(f"/{text}", WIDE)
    assert found is None or (found.startswith("/") and found != f"/{text}")


@given(*[st.integers(1, 4000)] * 4)
def test_a_scene_takes_the_shapes_that_are_alike(w: int, h: int, fw: int, fh: int) -> None:
    assume(abs(abs(w * fh / (h * fw) - 1) - SHAPE_TOLERANCE) > 1e-9)
    scene = Scene((w, h), ("person",))
    if alike(w / h, (fw, fh)):
        scene.scale_from((fw, fh))
    else:
        with pytest.raises(SceneError):
            scene.scale_from((fw, fh))


def test_shapes() -> None:
    assert alike(1920 / 1080, (640, 360))
    assert alike(1920 / 1080, (704, 396))
    assert not alike(1920 / 1080, (704, 400))
    assert not alike(1920 / 1080, (640, 352))
    assert not alike(1920 / 1080, (704, 576))
    assert not alike(4 / 3, (640, 360))

"""A simulated camera with two streams, and one that serves so many sessions."""

from __future__ import annotations

import pytest
from av.error import FFmpegError

from streams.simulator import Fault, FaultKind, Recording, Simulator, load_recording
from tests.streams.simulator.clients import SIZE, RtspSocket, eventually, small_clip, watch

HALF = (SIZE[0] // 2, SIZE[1] // 2)
OFFER = "RTP/AVP/TCP;unicast;interleaved=0-1"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Recording]:
    folder = tmp_path_factory.mktemp("clips")
    clip = small_clip(folder / "small.mp4")
    main, sub = (load_recording(clip, folder, size=size) for size in (None, HALF))
    return main, sub


def test_both_streams_are_there_and_have_faults_of_their_own(
    clips: tuple[Recording, Recording],
) -> None:
    main, sub = clips
    with Simulator({"a": main, "b": main}, subs={"a": sub}) as simulator:
        assert simulator.names == ("a", "a/stream2", "b")
        assert simulator.main_url("a") == f"{simulator.url('a')}/stream1"
        assert simulator.url("a/stream2") == f"{simulator.url('a')}/stream2"
        for url, size in (("a", SIZE), ("a/stream2", HALF)):
            assert watch(simulator.url(url), limit=1).sizes == [size]
        assert watch(simulator.main_url("a", "fault=clock"), limit=1).sizes == [SIZE]
        simulator.fault("a/stream2", Fault(FaultKind.NOT_FOUND))
        with pytest.raises(FFmpegError, match="404"):
            watch(simulator.url("a/stream2"), limit=1)
        assert watch(simulator.url("a"), limit=1).sizes == [SIZE]
        with pytest.raises(FFmpegError, match="404"):
            watch(f"{simulator.url('b')}/stream2", limit=1)


def test_a_name_that_is_in_the_host_too(clips: tuple[Recording, Recording]) -> None:
    main, sub = clips
    simulator = Simulator({"127": main}, subs={"127": sub}, port=554)
    assert simulator.main_url("127", "a=b") == "rtsp://127.0.0.1:554/127/stream1?a=b"


def test_one_session_over_both_streams(clips: tuple[Recording, Recording]) -> None:
    main, sub = clips
    with Simulator({"a": main}, subs={"a": sub}, limit=1) as simulator:
        with RtspSocket(simulator.url("a")) as first, RtspSocket(simulator.url("a")) as second:
            setup = first.ask("SETUP", f"{first.base}/trackID=0", Transport=OFFER)
            assert setup.status == 200
            other = f"{second.base}/stream2/trackID=0"
            assert second.ask("DESCRIBE", f"{second.base}/stream2").status == 200
            assert second.ask("SETUP", other, Transport=OFFER).status == 453
            assert first.ask("TEARDOWN", Session=setup.session).status == 200
            assert second.ask("SETUP", other, Transport=OFFER).status == 200

        def freed() -> bool:
            with RtspSocket(simulator.url("a")) as client:
                track = f"{client.base}/trackID=0"
                return client.ask("SETUP", track, Transport=OFFER).status == 200

        # whoever goes without a word is gone too
        assert eventually(freed)


def test_a_sub_stream_belongs_to_a_camera(clips: tuple[Recording, Recording]) -> None:
    main, sub = clips
    for wrong in ({"subs": {"b": sub}}, {"subs": {"a": sub}, "once": True}):
        with pytest.raises(ValueError, match="sub-stream"):
            Simulator({"a": main}, **wrong)  # type: ignore[arg-type]

"""The live part of the acceptance run: the whole system as processes, with simulated cameras."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from streams.simulator import Simulator, load_recording
from tests.acceptance.result import Result, judge
from tests.faults import scenarios
from tests.faults.alarms import PROMISED_S, alarms
from tests.faults.cities import PLAZA, write_city
from tests.faults.living import Living
from tests.faults.viewers import viewing
from tests.needs import REPO
from tests.waiting import wait_for

TESTS = (
    (
        "each fault of a camera: a code and a sentence, no restart, no forbidden connection",
        ["tests/faults/test_cameras.py", "-k", "each_fault"],
    ),
    (
        "each fault 50 times: no growth of memory, descriptors or processes",
        ["tests/streams/rtsp/test_repeats.py", "-k", "fifty"],
    ),
    (
        "a canary password: 0 hits in logs at debug level, API, process list and store",
        ["tests/faults/test_secrets.py"],
    ),
    (
        "a busy port, a wrong MATAKOTA_REDIS_URL, a Redis that evicts: one clear sentence",
        ["tests/faults/test_trouble.py", "-k", "busy or wrong or evict"],
    ),
    (
        "a full spool disk: one clear sentence, nothing lost",
        ["tests/faults/test_trouble.py", "-k", "full"],
    ),
    (
        "an alert is read in the list and from the event stream, and posted by a plain client",
        ["tests/faults/test_live.py", "-k", "posted"],
    ),
    (
        "a worker restarted without API and Redis: runs from the configuration that it kept",
        ["tests/faults/test_configuration.py", "-k", "kept"],
    ),
    (
        "in Chromium: pictures, counts, alerts; an old picture; a restart of the API; no dialog",
        ["tests/browser"],
    ),
    (
        "without a session or a key every route, page, socket and file answers 401 or 403",
        ["tests/api/test_every_route.py"],
    ),
    (
        "each route, page, socket and file, for each role and key: as the reviewed table says",
        ["tests/api/test_access_matrix.py"],
    ),
    (
        "schemathesis over the whole OpenAPI: no server error, no ignored authentication",
        ["tests/api/test_schemathesis.py"],
    ),
    (
        "kill -9 of 'matakota up': no process stays",
        ["tests/faults/test_live.py", "-k", "outlives"],
    ),
)
"""What holds or does not, without a figure: the tests that ask."""
KILLS, ALERTS = 10, 1000
ROUNDS = 20
GONE_S = 60
CHANGES = 10
CAMERAS, FPS, WATCH_S = 4, "2", 60
VIEWERS, VIEW_S = 10, 30


def live(folder: Path) -> Iterator[Result]:
    """Every check of the live part; each takes some minutes."""
    cache = folder / "clips"
    load_recording(PLAZA, cache)
    checks = (
        one_pass, killing, restarting, outage, changing, delays, watching, alarming, ending,
    )  # fmt: skip
    for check in checks:
        place = folder / check.__name__
        place.mkdir()
        yield _guarded(check, place, cache)
    for promised, arguments in TESTS:
        yield tested(promised, arguments)


def tested(promised: str, arguments: list[str]) -> Result:
    """What pytest says, the long tests included."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "", *arguments],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout.strip().splitlines()[-1:]
    passed = done.returncode == 0 and " passed" in "".join(said)
    if passed and "skipped" in "".join(said):
        return Result(promised, "".join(said), "not run")
    return judge(promised, "".join(said), passed)


def _guarded(check: Callable[[Path, Path], Result], folder: Path, cache: Path) -> Result:
    try:
        return check(folder, cache)
    except AssertionError as error:
        said = " ".join(str(error).split())[:200]
        return Result((check.__doc__ or check.__name__).rstrip("."), said, "short")


def one_pass(folder: Path, cache: Path) -> Result:
    """RTSP and file, one pass of the plaza: the same crossings within 1."""
    done = scenarios.one_pass(folder, cache)
    shown = [f"{way} {n} and {done.rtsp[way]}" for way, n in done.file.items()]
    return judge(
        "RTSP and file, one pass of the plaza: the same crossings within 1",
        f"{', '.join(shown)}; {done.analysed} of {done.pictures} pictures analysed live",
        all(abs(n - done.rtsp[way]) <= 1 for way, n in done.file.items()),
    )


def killing(folder: Path, cache: Path) -> Result:
    """kill -9 of worker, API and Valkey: nothing spooled is lost."""
    done = scenarios.killing(folder, cache, kills=KILLS, alerts=ALERTS)
    return judge(
        f"{ALERTS} alerts, kill -9 of worker, API and Valkey {KILLS} times each, one FLUSHALL: "
        "each spooled alert stored once",
        f"{done.spooled} spooled, {done.lost} lost, {done.twice} twice, {done.old} outdated "
        f"(seed {done.seed})",
        (done.lost, done.twice, done.old) == (0, 0, 0),
    )


def restarting(folder: Path, cache: Path) -> Result:
    """A camera restarted: back within 10 s, the others lose under 5 %."""
    done = scenarios.restarting(folder, cache, rounds=ROUNDS)
    return judge(
        f"a camera restarted {ROUNDS} times: back within 10 s, one outage alert each, the other "
        "camera keeps over 95 % of its pictures",
        f"at most {done.longest_s:.1f} s (reporting included), {done.outages} outages, "
        f"{done.share:.1%}",
        done.longest_s <= 10 and done.outages == done.rounds and done.share > 0.95,
    )


def outage(folder: Path, cache: Path) -> Result:
    """Redis gone: said once, nothing lost."""
    done = scenarios.outage_of_redis(folder, cache, seconds=GONE_S)
    return judge(
        f"Redis gone for {GONE_S} s: said once, nothing lost, alerts as many as crossings",
        f"said {done.sentences} times, {done.during} alerts meanwhile, {done.lost} lost, "
        f"{done.alerts} alerts and {done.crossings} crossings stored",
        (done.sentences, done.lost) == (1, 0) and done.alerts == done.crossings,
    )


def changing(folder: Path, cache: Path) -> Result:
    """A changed scene: taken within 5 s, the camera stays connected."""
    done = scenarios.changing(folder, cache, rounds=CHANGES)
    return judge(
        f"a scene changed {CHANGES} times by 'config apply', Redis emptied and killed in between: "
        "taken within 5 s, one connection to the camera, alerts as many as crossings",
        f"at most {done.taken_s:.1f} s after the command, which took {done.command_s:.1f} s; "
        f"{done.connects} connections, {done.lost} lost, {done.alerts} alerts and "
        f"{done.crossings} crossings stored",
        done.command_s + done.taken_s <= 5
        and (done.connects, done.lost) == (1, 0)
        and done.alerts == done.crossings,
    )


def delays(folder: Path, cache: Path) -> Result:
    """Capture to a client's alert: p95 under 1.5 s."""
    done = scenarios.delays(folder, cache, cameras=CAMERAS, fps=FPS, seconds=WATCH_S)
    return judge(
        f"capture to the alert at a client, {CAMERAS} cameras at {FPS} frames a second: p95 under "
        "1.5 s",
        f"median {done.median_s:.2f} s, p95 {done.p95_s:.2f} s ({done.number} alerts)",
        done.p95_s < 1.5,
    )


def watching(folder: Path, cache: Path) -> Result:
    """Viewers do not slow the analysis, and cost nothing when they have left."""
    done = viewing(folder, cache, viewers=VIEWERS, seconds=VIEW_S, fps="5")
    return judge(
        f"{VIEWERS} viewers and one that never reads: at least 95 % of the pictures analysed; no "
        "JPEG after the last one left",
        f"{done.alone:.1f} pictures a second alone, {done.watched:.1f} watched ({done.share:.0%}); "
        f"{done.after} JPEGs afterwards",
        done.share >= 0.95 and done.after == 0,
    )


def alarming(folder: Path, _cache: Path) -> Result:
    """A part of the chain stands still: the alarm channel is told within 200 s."""
    took_s = alarms(folder)
    return judge(
        "worker, API, Valkey, notifier and watchdog stopped, each in a system of its own: the "
        f"alarm channel is told within {PROMISED_S:.0f} s",
        ", ".join(f"{part} {seconds:.0f} s" for part, seconds in took_s.items()),
        max(took_s.values()) <= PROMISED_S,
    )


def ending(folder: Path, cache: Path) -> Result:
    """SIGTERM: everything ends within 10 s, nothing stays."""
    with Simulator({"plaza": load_recording(PLAZA, cache)}) as simulator:
        write_city(folder, {"plaza": simulator.url("plaza")})
        with Living(folder) as living:
            wait_for(lambda: living.cameras()["plaza"]["state"] == "live", "the camera is live")
            began_s = time.monotonic()
            code = living.terminate()
            took_s = time.monotonic() - began_s
            left = living.processes()
    return judge(
        "SIGTERM: everything ends within 10 s, no process stays",
        f"{took_s:.1f} s, exit code {code}, {len(left)} processes left",
        took_s <= 10 and not left,
    )

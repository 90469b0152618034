"""What happens to the whole system, with the figures that come of it: for tests, which only ask
whether it holds, and for the acceptance run, which prints how well."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from streams.simulator import Simulator
from streams.valkey import EmbeddedValkey
from tests.api.command import read_records
from tests.faults.cities import PLAZA, PLAZA_SCENE, many_lines, plaza, write_city
from tests.faults.living import Living, lines_of_events
from tests.waiting import wait_for

ROLES = ("worker", "API", "Valkey")
BACK_S = 100
"""Ten times what is promised."""


@dataclass(frozen=True)
class Kills:
    """``lost`` alerts were logged as spooled and are not stored; ``twice`` are stored twice, be it
    under two ids; ``old`` are stored as they were before."""

    seed: int
    kills: int
    spooled: int
    stored: int
    lost: int
    twice: int
    old: int


def killing(folder: Path, cache: Path, *, kills: int, alerts: int) -> Kills:
    """kill -9 each role ``kills`` times at random and flush Redis once, until ``alerts`` are
    spooled. The ledger is the worker's log, read from outside; the store is asked over HTTP."""
    seed = int(os.environ.get("MATAKOTA_TEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed {seed}")
    chance = random.Random(seed)
    plan = [role for role in ROLES for _ in range(kills)]
    chance.shuffle(plan)
    flush_at = chance.randrange(1, len(plan))
    with Simulator({"plaza": plaza(cache)}) as simulator:
        write_city(folder, {"plaza": simulator.url("plaza")}, scene=many_lines(folder))
        with Living(folder) as living:
            wait_for(living.spooled, "the first alert")
            for number, role in enumerate(plan):
                time.sleep(chance.uniform(0.2, 2.5))
                wait_for(lambda r=role: living.kill(r), f"a {role} to kill")
                if number == flush_at:
                    wait_for(lambda: _flushed(living), "FLUSHALL")
            wait_for(lambda: len(living.spooled()) >= alerts, f"{alerts} alerts", 600)
            simulator.stop_camera("plaza")
            wait_for(
                lambda: living.cameras()["plaza"]["state"] == "down" and living.waiting() == 0,
                "everything confirmed",
            )
            ledger, stored = living.spooled(), living.alerts()
    times = Counter(alert["id"] for alert in stored)
    # what an alert is about, whatever its id: the same track at the same time under one rule
    about = Counter(
        (alert["rule"], alert["start"], *alert["track_ids"], str(alert["details"].get("foot_px")))
        for alert in stored
    )
    versions = {alert["id"]: alert["version"] for alert in stored}
    return Kills(
        seed=seed,
        kills=len(plan),
        spooled=len(ledger),
        stored=len(stored),
        lost=sum(times[alert] == 0 for alert in ledger),
        twice=sum(number - 1 for number in about.values()),
        old=sum(versions.get(alert, version) < version for alert, version in ledger.items()),
    )


def _flushed(living: Living) -> bool:
    """FLUSHALL, as anybody at the socket could send it."""
    url = living.variable("worker", "MATAKOTA_REDIS_URL")
    if url is None:
        return False
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(url.removeprefix("unix://").partition("?")[0])
            link.sendall(b"FLUSHALL\r\n")
            return link.recv(64).startswith(b"+OK")
    except OSError:
        return False


@dataclass(frozen=True)
class Restarts:
    """``longest_s`` is the longest time from a camera's return to the report of its first
    analysed picture; ``share`` what the other camera analysed of its pictures meanwhile."""

    rounds: int
    outages: int
    longest_s: float
    share: float
    restarts: int


def restarting(
    folder: Path,
    cache: Path,
    *,
    rounds: int,
    scene: Path | None = PLAZA_SCENE,
    model: str | None = None,
) -> Restarts:
    """A camera goes and comes ``rounds`` times, another one stays."""
    recording = plaza(cache)
    with Simulator({"gone": recording}) as one, Simulator({"steady": recording}) as other:
        cameras = {"gone": one.url("gone"), "steady": other.url("steady")}
        write_city(folder, cameras, scene=scene, fps="5", model=model)
        with Living(folder) as living:
            wait_for(
                lambda: all(c["state"] == "live" for c in living.cameras().values()), "both live"
            )
            began_s, before = time.monotonic(), living.cameras()["steady"]["analysed"]
            took = []
            for number in range(rounds):
                # by turns the whole host goes, or the camera resets who asks
                host = number % 2 == 1
                one.close_port() if host else one.stop_camera("gone")
                wait_for(
                    lambda n=number: len(living.alerts(kind="camera_down")) == n + 1,
                    f"outage {number + 1} is an alert",
                )
                known = living.cameras()["gone"]["analysed"]
                one.open_port() if host else one.start_camera("gone")
                back_s = time.monotonic()
                wait_for(lambda k=known: living.cameras()["gone"]["analysed"] > k, "back", BACK_S)
                took.append(time.monotonic() - back_s)
                wait_for(
                    lambda: not living.alerts(kind="camera_down", state="open"), "closed", BACK_S
                )
            elapsed_s = time.monotonic() - began_s
            analysed = living.cameras()["steady"]["analysed"] - before
            outages = living.alerts(kind="camera_down", camera="gone")
            log = living.log.read_text(encoding="utf-8")
    return Restarts(
        rounds=rounds,
        outages=len(outages),
        longest_s=max(took),
        share=analysed / (5 * elapsed_s),
        restarts=log.count("is started again"),
    )


@dataclass(frozen=True)
class OnePass:
    """Crossings by direction of one pass of a clip, as a file and as a camera."""

    file: dict[str, int]
    rtsp: dict[str, int]
    pictures: int
    analysed: int


def one_pass(folder: Path, cache: Path) -> OnePass:
    """The plaza once from its file, and once over RTSP in real time through everything."""
    file = subprocess.run(
        [sys.executable, "-P", "-m", "api", "analyse", str(PLAZA), "--scene", str(PLAZA_SCENE)],
        capture_output=True,
        check=True,
    )
    summary = read_records(file.stdout)[-1]
    with Simulator({"plaza": plaza(cache)}, once=True) as simulator:
        write_city(folder, {"plaza": simulator.url("plaza")})
        with Living(folder) as living:
            assert simulator.wait(300), "the pass is over"
            wait_for(lambda: living.alerts(kind="camera_down"), "the camera is gone")
            analysed = living.cameras()["plaza"]["analysed"]
            everything_stored(living)
            found = living.passed("plaza")
    truth = {way: sum(by.values()) for way, by in summary["counts"]["square"].items()}
    return OnePass(truth, {way: found[way] for way in truth}, summary["frames"], analysed)


def everything_stored(living: Living) -> None:
    """End it and start it again: the minute that runs is stated at the end, and all that was
    stated is confirmed."""
    assert living.terminate() == 143
    living.start()
    wait_for(living.ready, "ready again")
    wait_for(lambda: living.waiting() == 0, "everything confirmed")


@dataclass(frozen=True)
class Outage:
    """``during`` alerts were spooled while Redis was gone; ``sentences`` times it was said."""

    during: int
    sentences: int
    tracebacks: int
    alerts: int
    crossings: int
    lost: int


def outage_of_redis(folder: Path, cache: Path, *, seconds: float, fps: str = "all") -> Outage:
    """Redis goes for a while, under a camera that makes alerts."""
    with ExitStack() as stack:
        valkey = EmbeddedValkey(folder / "other")
        valkey.start()
        stack.callback(valkey.stop)
        simulator = stack.enter_context(Simulator({"plaza": plaza(cache)}))
        camera = {"plaza": simulator.url("plaza")}
        write_city(folder, camera, scene=many_lines(folder), fps=fps)
        living = stack.enter_context(Living(folder, MATAKOTA_REDIS_URL=valkey.url))
        wait_for(living.spooled, "the first alert")
        valkey.stop()
        before = len(living.spooled())
        time.sleep(seconds)
        during = len(living.spooled()) - before
        assert not living.ready()
        log = living.log.read_text(encoding="utf-8")
        valkey.start()
        wait_for(living.ready, "ready again")
        alerts, crossings, lost = stopped_and_compared(living, simulator)
    return Outage(
        during, log.count("messages wait in the spool"), log.count("Traceback"), alerts, crossings,
        lost,
    )  # fmt: skip


@dataclass(frozen=True)
class Changes:
    """Scenes changed by ``config apply`` on a system that runs: the longest time that the command
    took, from its end until the worker had taken the scene, and until the API's reports said so;
    how often the camera was connected to; alerts and crossings that were seen, which are as many;
    alerts of the ledger that are not stored; and the revisions that stored alerts and counts
    carry."""

    rounds: int
    command_s: float
    taken_s: float
    reported_s: float
    connects: int
    alerts: int
    crossings: int
    lost: int
    of_alerts: set[int]
    of_counts: set[int]


def changing(folder: Path, cache: Path, *, rounds: int) -> Changes:
    """Another scene ``rounds`` times; in between Redis is emptied, and killed."""
    command, taken, reported = [], [], []
    with Simulator({"plaza": plaza(cache)}) as simulator:
        write_city(folder, {"plaza": simulator.url("plaza")}, scene=many_lines(folder, 60))
        with Living(folder) as living:
            wait_for(living.spooled, "the first alert")
            for revision in range(2, 2 + rounds):
                many_lines(folder, 60 + revision)
                began_s = time.monotonic()
                ran = living.run("config", "apply", "city.yaml")
                assert f"plaza: scene revision {revision}\n" in ran.stdout, ran.stderr
                command.append(time.monotonic() - began_s)
                began_s = time.monotonic()
                said = f"camera=plaza revision={revision}"
                wait_for(lambda s=said: s in living.log.read_text(encoding="utf-8"), said, BACK_S)
                taken.append(time.monotonic() - began_s)
                wait_for(
                    lambda r=revision: living.cameras()["plaza"]["revision"] == r, said, BACK_S
                )
                reported.append(time.monotonic() - began_s)
                wait_for(
                    lambda r=revision: any(a["revision"] == r for a in living.alerts()),
                    f"an alert of revision {revision}",
                )
                # what follows has to come to a worker all the same
                if revision % 2:
                    wait_for(lambda: living.kill("Valkey"), "a Valkey to kill")
                    wait_for(living.ready, "ready again")
                else:
                    wait_for(lambda: _flushed(living), "FLUSHALL")
            connects = living.cameras()["plaza"]["connects"]
            alerts, crossings, lost = stopped_and_compared(living, simulator)
            of_alerts = {a["revision"] for a in living.alerts(kind="line_crossing")}
            since = {"camera": "plaza", "interval": "5m"}
            counts = living.get("/api/v1/counts", **since)["counts"]
            of_counts = {row["revision"] for row in counts if row["count"]}
    return Changes(
        rounds, max(command), max(taken), max(reported), connects, alerts, crossings, lost,
        of_alerts, of_counts,
    )  # fmt: skip


def stopped_and_compared(living: Living, simulator: Simulator) -> tuple[int, int, int]:
    """With ``many_lines`` each crossing that was seen is an alert: how many of both are stored,
    and how many alerts of the ledger are not. Pictures that a busy machine drops break tracks:
    the count joins them, and no rule saw those pass."""
    simulator.stop_camera("plaza")
    wait_for(lambda: living.cameras()["plaza"]["state"] == "down", "the camera is gone")
    everything_stored(living)
    ledger, stored = living.spooled(), living.alerts()
    joined = living.log.read_text(encoding="utf-8").count("a broken track is joined")
    return (
        sum(alert["kind"] == "line_crossing" for alert in stored),
        living.passed("plaza").total() - joined,
        len(set(ledger) - {alert["id"] for alert in stored}),
    )


@dataclass(frozen=True)
class Delays:
    """Seconds from the capture of the picture on which a rule fired to the alert at a client of
    the event stream, with ``cameras`` cameras."""

    cameras: int
    number: int
    median_s: float
    p95_s: float


def delays(folder: Path, cache: Path, *, cameras: int, fps: str, seconds: float) -> Delays:
    """Follow the event stream for a while as a plain client."""
    found: list[float] = []
    recording = plaza(cache)
    names = [f"c{number}" for number in range(cameras)]
    offsets = {name: 11.0 * number for number, name in enumerate(names)}
    with Simulator(dict.fromkeys(names, recording), offsets_s=offsets) as simulator:
        write_city(folder, {n: simulator.url(n) for n in names}, scene=many_lines(folder), fps=fps)
        with Living(folder) as living:
            wait_for(
                lambda: all(c["state"] == "live" for c in living.cameras().values()), "all live"
            )
            address = f"{living.address}/api/v1/alerts/stream"
            end_s = time.monotonic() + seconds
            with httpx.stream("GET", address, headers=living.headers, timeout=60) as response:
                for event in lines_of_events(response):
                    alert = json.loads(event["data"])
                    if alert["version"] == 1 and alert["kind"] == "line_crossing":
                        raised = datetime.fromisoformat(alert["raised"])
                        found.append(time.time() - raised.timestamp())
                    if time.monotonic() > end_s:
                        break
    found.sort()
    return Delays(cameras, len(found), found[len(found) // 2], found[int(0.95 * len(found))])

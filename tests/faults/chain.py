"""The whole chain as processes of this one, each started again as soon as it ended: a source in
place of a worker, Valkey behind a proxy, the API that ingests, the notifier, and two webhooks.

``matakota up`` gives up after 40 restarts in ten minutes, which is right for it and not for these
tests.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from api.alerting.settings import Alerting, Channel, Matcher, Route, Storm
from api.store import Actor, Store
from streams.settings import (
    API_KEY_VARIABLE,
    API_VARIABLE,
    DATA_VARIABLE,
    DATABASE_VARIABLE,
    REDIS_VARIABLE,
    SQLITE,
)
from tests.api.command import environment
from tests.api.served import add_key
from tests.faults import ledger
from tests.faults.ledger import Ledger, Verdict, judge
from tests.faults.living import free_port
from tests.faults.parts import GRACE_S, TICK_S, Command, KeptValkey, Part
from tests.faults.proxy import Proxy
from tests.faults.receiver import SECRET, Receiver
from tests.faults.source import CAMERAS, NAME, camera

CHANNELS = ("pos", "kendali")
PER_MINUTE = 6000
GROUP_S = 3.0
ALONE = tuple(camera(number) for number in range(0, CAMERAS, 2))


class Chain:
    """Everything, in ``folder``, for ``alerts`` alerts at ``rate`` a second.

    Entering starts it all; whoever has it calls ``tend`` or ``wait`` all the time, from the thread
    that entered. Leaving ends it. ``spool`` and ``database`` are the folders of those files.
    """

    def __init__(
        self,
        folder: Path,
        *,
        alerts: int,
        rate: float,
        seed: int = 0,
        fails: float = 0.0,
        notify: bool = True,
        spool: Path | None = None,
        database: Path | None = None,
    ) -> None:
        self.folder = folder
        self.alerts = alerts
        self.data = folder / "data"
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.spool = (spool or self.data) / f"spool-{NAME}.db"
        self.database = (database or self.data) / "matakota.db"
        self.ledger = Ledger(folder / "ledger")
        self.port = free_port()
        self.kills: Counter[str] = Counter()
        self.receivers = [Receiver(name, seed=seed, fails=fails) for name in CHANNELS]
        # a proxy before each, so that an end can be gone
        self.hooks = [Proxy(receiver.port) for receiver in self.receivers]
        self.valkey = KeptValkey(self.data / "valkey")
        self.redis = Proxy(self.valkey.socket)
        self._stack = ExitStack()
        self._rate = rate
        self._notify = notify
        self._spool_folder = spool or self.data
        self.parts: dict[str, Part] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for each in (*self.receivers, *self.hooks, self.redis):
                stack.enter_context(each)
            with Store.open(f"{SQLITE}{self.database}") as store:
                key = add_key(store, NAME, worker=True)
                if self._notify:
                    store.alerting.apply(self._settings(), Actor.command())
            variables = environment(
                self.folder,
                **{
                    REDIS_VARIABLE: f"redis://127.0.0.1:{self.redis.port}/0",
                    DATABASE_VARIABLE: f"{SQLITE}{self.database}",
                    DATA_VARIABLE: str(self.data),
                    API_VARIABLE: f"http://127.0.0.1:{self.port}",
                    API_KEY_VARIABLE: key,
                },
            )
            self.parts = {
                "Valkey": self.valkey,
                "API": self._command("API", ["serve", "--port", str(self.port)], variables),
                "notifier": self._command("notifier", ["notify"], variables),
                "worker": Command(
                    "worker",
                    "tests.faults.source:main",
                    [
                        "--data", str(self._spool_folder),
                        "--ledger", str(self.ledger.path), "--alerts", str(self.alerts),
                        "--rate", str(self._rate), "--began", str(time.monotonic()),
                    ],
                    variables,
                    self.folder / "worker.log",
                ),
            }  # fmt: skip
            if not self._notify:
                del self.parts["notifier"]
            for part in self.parts.values():
                stack.callback(part.stop)
            self.tend()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _command(self, name: str, arguments: list[str], variables: dict[str, str]) -> Command:
        told = ["--log-level", "info", *arguments]
        return Command(name, "api.cli:main", told, variables, self.folder / f"{name}.log")

    def _settings(self) -> Alerting:
        """Everything to both channels: to the first each alert of half the cameras by itself, all
        others in as few messages as the settings allow."""
        secrets = self.folder / "secrets.yaml"
        secrets.touch(mode=0o600)
        secrets.write_text(
            "".join(f"{name}: {{secret: {SECRET}}}\n" for name in CHANNELS), encoding="ascii"
        )
        return Alerting(
            secrets=str(secrets),
            networks=("127.0.0.0/8",),
            channels=tuple(
                Channel(
                    name=name,
                    kind="webhook",
                    url=f"http://127.0.0.1:{hook.port}/hook",
                    per_minute=PER_MINUTE,
                )
                for name, hook in zip(CHANNELS, self.hooks, strict=True)
            ),
            routes=(
                Route(name="alone", match=Matcher(cameras=ALONE), channels=CHANNELS[:1]),
                Route(name="together", channels=CHANNELS, group="camera", group_s=GROUP_S),
            ),
            storm=Storm(alone=100_000),
        )

    # --- while it runs

    def tend(self) -> None:
        """Start again whatever ended. Raises AssertionError where one says that it never can."""
        for part in self.parts.values():
            part.tend()

    def wait(self, seconds: float) -> None:
        """Let it run for so long."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s:
            self.tend()
            time.sleep(TICK_S)

    def wait_for(self, condition: Callable[[], object], what: str, seconds: float) -> None:
        """Let it run until ``condition()`` holds."""
        end_s = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end_s, f"did not happen within {seconds:g} s: {what}"
            self.wait(0.2)

    def signal(self, role: str, signum: signal.Signals) -> bool:
        """Whether there was a process of that role to be signalled."""
        pid = self.parts[role].pid
        if pid is None:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signum)
        return True

    def kill(self, role: str) -> None:
        """kill -9 the process of that role, as soon as there is one."""
        self.wait_for(lambda: self.signal(role, signal.SIGKILL), f"a {role} to kill", GRACE_S)
        self.kills[role] += 1

    def flush(self) -> None:
        """FLUSHALL, as soon as there is a Valkey that does it."""
        self.wait_for(self.valkey.flush, "FLUSHALL", 10 * GRACE_S)
        self.kills["FLUSHALL"] += 1

    def ready(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).status_code == 200
        return False

    # --- what came of it

    def stated(self) -> bool:
        """Whether every alert was stated until its end."""
        known = self.ledger.read()
        return len(known) == self.alerts and min(known.values()) == 3

    def confirmed(self) -> bool:
        return ledger.waiting(self.spool) == 0

    def stored(self) -> int:
        """How many alerts are stored."""
        return len(ledger.rows(self.database))

    def delivered(self) -> bool:
        return not self._notify or ledger.undelivered(self.database) == 0

    def finish(self, seconds: float) -> Verdict:
        """Let it run until everything is stated, confirmed and delivered, then judge."""
        end_s = time.monotonic() + seconds
        for what, holds in (
            ("everything stated", self.stated),
            ("everything confirmed", self.confirmed),
            ("everything delivered", self.delivered),
        ):
            self.wait_for(holds, what, max(1.0, end_s - time.monotonic()))
        return self.judged()

    def judged(self) -> Verdict:
        told = {each.name: dict(each.told) for each in self.receivers if self._notify}
        return judge(self.ledger.read(), ledger.rows(self.database), told)

    def said(self, role: str) -> str:
        """The log of a role."""
        return (self.folder / f"{role}.log").read_text("utf-8", "replace")

    def tracebacks(self) -> tuple[str, ...]:
        """Where a process broke by itself: the last line of each traceback in a log, once each."""
        found: dict[str, None] = {}
        for log in sorted(self.folder.glob("*.log")):
            text = log.read_text("utf-8", "replace")
            for part in text.split("Traceback (most recent call last):")[1:]:
                lines = [line for line in part.splitlines()[1:] if not line.startswith(" ")]
                found[f"{log.stem}: {lines[0] if lines else part[-80:]}"] = None
        return tuple(found)

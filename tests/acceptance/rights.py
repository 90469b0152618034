"""The acceptance run's figures of who may see what: how long a right that was taken goes on, and
what a thousand guesses at a password cost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
from pwdlib import PasswordHash

from api.access import Role
from api.store import Store
from tests.acceptance.result import Result, judge
from tests.api.forms.pages import Browser
from tests.api.logins import PASSWORD
from tests.api.served import TESTER, Api, add_user, alert, api, person, sqlite_url

SHRUNK_S, GIVE_UP_S = 30, 120
TRIES, MOST, AT_ONCE = 1000, 10, 4
PACE_S = 50 * AT_ONCE / TRIES
"""Before each try, so that they take a minute."""
ROUNDS = 5


def rights(folder: Path) -> list[Result]:
    """Every figure; some two minutes."""
    with Store.open(sqlite_url(folder)) as store, api(store) as served:
        return [shrinking(served), guessing(served)]


def shrinking(served: Api) -> Result:
    """A group that shrinks, as another process changes it: the last event of what is not seen any
    more, on a stream that stays open."""
    promised = f"a group that shrinks: its alerts end on an open stream within {SHRUNK_S} s"
    user = add_user(served.store, "operator", Role.OPERATOR, cameras=["plaza", "road"])
    (group,) = served.store.groups.all()
    took = [_shrunk(served, user, group.id, number) for number in range(ROUNDS)]
    said = f"at most {max(took):.1f} s of {ROUNDS} times"
    return judge(promised, said, max(took) < SHRUNK_S)


def _shrunk(served: Api, user: int, group: int, number: int) -> float:
    served.store.groups.change(group, "of operator", ["plaza", "road"], TESTER)
    with person(served, user) as client, client.stream("GET", "/api/v1/alerts/stream") as stream:
        lines = (line for line in stream.iter_lines() if line.startswith("data: "))
        names = (json.loads(line.removeprefix("data: "))["id"] for line in lines)
        began_s, last_s = None, 0.0
        for n in range(GIVE_UP_S * 5):
            mine, foreign = (f"{camera}-{number}-{n}" for camera in ("plaza", "road"))
            served.store.record([alert(foreign, camera="road"), alert(mine, camera="plaza")])
            served.bell.ring()
            got = set[str]()
            # in the order of their changes: what is seen of the other one came before
            while mine not in got:
                got.add(next(names))
            now_s = time.monotonic()
            if began_s is None:
                if foreign in got:
                    served.store.groups.change(group, "of operator", ["plaza"], TESTER)
                    began_s = last_s = time.monotonic()
            elif foreign in got:
                last_s = now_s
            elif now_s > last_s + 5:
                return last_s - began_s
            time.sleep(0.1)
    return float(GIVE_UP_S)


def guessing(served: Api) -> Result:
    """Guesses at one account from this machine, while somebody else signs in."""
    promised = (
        f"{TRIES} tries a minute at one account: at most {MOST} reach the hash, others sign in"
    )
    kept = PasswordHash.recommended().hash(PASSWORD)
    for name in ("attacked", "other"):
        user = add_user(served.store, name, Role.VIEWER)
        served.store.people.change_password(user, kept, TESTER, session="")
    with _browser(served) as attacker, _browser(served) as other:
        page = attacker.open("/login")

        def attack(n: int) -> int:
            time.sleep(PACE_S)
            form = {"name": "attacked", "password": f"guess number {n}"}
            return attacker.send(page, "/login", **form).status

        began_s = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            statuses = list(pool.map(attack, range(TRIES // 2)))
            more = pool.map(attack, range(TRIES // 2))
            entered = other.send(other.open("/login"), "/login", name="other", password=PASSWORD)
            statuses += list(more)
        took_s = time.monotonic() - began_s
    reached = statuses.count(403)
    said = f"{reached} reached it in {took_s:.0f} s, the other: {entered.status}"
    return judge(promised, said, reached <= MOST and entered.status == 303)


@contextmanager
def _browser(served: Api) -> Iterator[Browser]:
    base = str(served.client.base_url).rstrip("/")
    headers = {"origin": base, "accept": "text/html"}
    with httpx.Client(base_url=base, headers=headers, timeout=60) as client:
        yield Browser(client, "")

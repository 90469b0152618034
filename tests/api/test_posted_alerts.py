"""A worker that posts its alerts, against the API itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from api.store import Store
from api.store.cases import ByHand
from streams.messages import CANARY, SYSTEM_CAMERA, AlertMessage
from streams.posting import Poster
from tests.api.served import DAY, TESTER, add_key, alert, api, report, serving, sqlite_url
from vision.errors import PostingError, PostRefusedError


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(sqlite_url(tmp_path)) as opened:
        yield opened


def test_what_is_posted_is_stored_as_over_the_bus(store: Store) -> None:
    message = alert(
        "a:1", camera="plaza", track_ids=(3, 14), severity="critical", synthetic=True,
        start_ts=DAY + 0.123456, raised_ts=DAY + 0.123457, detected_ts=DAY + 2.000001,
    )  # fmt: skip
    closed = message.closed(DAY + 9.75, "nobody is there").detected(DAY + 10)
    key = add_key(store, "north", worker=True)
    with api(store) as served, serving(served.door) as url, closing(Poster(url, key)) as poster:
        poster.post(message, DAY + 2.5)
        first = store.alerts.get("a:1", only=None)
        poster.post(message, DAY + 3.5)
        assert store.alerts.get("a:1", only=None) == first, "again changes nothing"
        poster.post(closed, DAY + 11.0)
        # an older version is known
        poster.post(message, DAY + 2.5)
    found = store.alerts.get("a:1", only=None)
    assert first is not None
    assert found is not None
    assert (first.state, first.detected_at, first.spooled_at) == ("open", DAY + 2.000001, DAY + 2.5)
    assert (found.detected_at, found.spooled_at) == (first.detected_at, first.spooled_at)
    for name in AlertMessage.model_fields.keys() - {"schema_version", "type", "detected_ts"}:
        wanted, stored = getattr(closed, name), getattr(found, name)
        if isinstance(wanted, float):
            assert stored == pytest.approx(wanted, abs=2e-6), name
        else:
            assert stored == (list(wanted) if isinstance(wanted, tuple) else wanted), name


def test_what_the_api_says_no_to(store: Store) -> None:
    own = add_key(store, "south", worker=True, cameras=["road"])
    reader = add_key(store, "reader", scopes=("alerts:read",))
    with api(store) as served, serving(served.door) as url:
        with closing(Poster(url, own)) as poster:
            with pytest.raises(PostRefusedError, match="status 404"):
                poster.post(alert("b", camera="plaza"), None)
            poster.post(alert("c", camera="road"), None)
        for key, status in ((reader, 403), ("not-a-real-key", 401)):
            with closing(Poster(url, key)) as poster:
                with pytest.raises(PostingError, match=f"status {status}") as failure:
                    poster.post(alert("d", camera="road"), None)
                assert not isinstance(failure.value, PostRefusedError)
    assert [found.id for found in store.alerts.find(only=None, limit=10).alerts] == ["c"]


@pytest.mark.parametrize(
    ("camera", "kind"),
    [(SYSTEM_CAMERA, CANARY), (SYSTEM_CAMERA, "dead_letter"), ("road", CANARY)],
)
def test_nobody_else_speaks_for_the_program_itself(store: Store, camera: str, kind: str) -> None:
    key = add_key(store, "north", worker=True)
    with (
        api(store) as served,
        serving(served.door) as url,
        closing(Poster(url, key)) as poster,
        pytest.raises(PostRefusedError),
    ):
        poster.post(alert("canary:w1", (1 << 31) - 1, camera=camera, kind=kind), None)
    assert store.alerts.get("canary:w1", only=None) is None


def test_what_a_person_opened_is_theirs(store: Store) -> None:
    store.cameras.save(report(DAY, "road"))
    opened = store.cases.open(ByHand("fire", "road", "high"), TESTER, only=None)
    assert opened is not None
    key = add_key(store, "north", worker=True)
    with (
        api(store) as served,
        serving(served.door) as url,
        closing(Poster(url, key)) as poster,
        pytest.raises(PostRefusedError),
    ):
        poster.post(alert(opened.id, (1 << 31) - 1, camera="road"), None)
    assert store.alerts.get(opened.id, only=None) == opened

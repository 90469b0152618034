"""Fetching weights: whole and verified, or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.errors import PullError, UnknownModel, WrongHash
from models.manifest import ModelEntry
from models.pull import ATTEMPTS, fetch, pull

CONTENT = b"weights" * 1000
ADDRESS = "https://weights.example/model.onnx"
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def entry(entry_fields: Callable[..., dict[str, Any]]) -> ModelEntry:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    return ModelEntry.model_validate(
        entry_fields(file=None, address=ADDRESS, sha256=sha256, size=len(CONTENT))
    )


class Breaking(httpx.SyncByteStream):
    """An answer whose connection is lost half way."""

    def __iter__(self) -> Iterator[bytes]:
        yield CONTENT[:1000]
        raise httpx.ReadError("the connection was lost")


def get(entry: ModelEntry, cache: Path, handler: Handler) -> tuple[Path, list[float]]:
    """Fetch through a handler instead of a network; the pauses that would have been slept."""
    pauses: list[float] = []
    with httpx.Client(transport=httpx.MockTransport(handler)) as client:
        return fetch(entry, cache, client, pauses.append), pauses


def files(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir()) if cache.exists() else []


def test_weights_arrive_whole_and_under_their_name(entry: ModelEntry, tmp_path: Path) -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, content=CONTENT)

    cache = tmp_path / "deep" / "cache"
    path, pauses = get(entry, cache, handler)
    assert path.read_bytes() == CONTENT
    assert files(cache) == ["tiny.onnx"]
    assert pauses == []
    get(entry, cache, handler)
    assert asked == [ADDRESS], "weights that are there are not fetched again"


def test_a_damaged_file_is_fetched_again(entry: ModelEntry, tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(b"damaged")
    path, _ = get(entry, tmp_path, lambda _: httpx.Response(200, content=CONTENT))
    assert path.read_bytes() == CONTENT


def test_an_interrupted_download_is_tried_again_and_leaves_nothing(
    entry: ModelEntry, tmp_path: Path
) -> None:
    seen: list[list[str]] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(files(tmp_path))
        return httpx.Response(200, stream=Breaking())

    pauses: list[float] = []
    with (
        httpx.Client(transport=httpx.MockTransport(handler)) as client,
        pytest.raises(PullError, match=rf"{ATTEMPTS} attempts \(the connection was lost\)"),
    ):
        fetch(entry, tmp_path, client, pauses.append)
    assert files(tmp_path) == []
    assert len(seen) == ATTEMPTS
    assert not any(name == "tiny.onnx" for names in seen for name in names)
    assert len(pauses) == ATTEMPTS - 1
    assert all(0.25 * 2**n <= pause <= 0.75 * 2**n for n, pause in enumerate(pauses))


def test_a_server_that_recovers_is_enough(entry: ModelEntry, tmp_path: Path) -> None:
    answers = iter([httpx.Response(503), httpx.Response(429), httpx.Response(200, content=CONTENT)])
    path, pauses = get(entry, tmp_path, lambda _: next(answers))
    assert path.read_bytes() == CONTENT
    assert len(pauses) == 2


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (CONTENT[:-1], WrongHash, "expected sha256 .*, found .* in 6999 bytes; nothing was kept"),
        (CONTENT[:-1] + b"!", WrongHash, "expected sha256"),
        (CONTENT + b"!", PullError, "more than the stated 7000 bytes"),
        (b"<html>not found</html>", WrongHash, "is not tiny as stated"),
    ],
)
def test_other_bytes_are_refused_at_once(
    entry: ModelEntry, tmp_path: Path, content: bytes, error: type[Exception], said: str
) -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, content=content)

    with pytest.raises(error, match=said):
        get(entry, tmp_path, handler)
    assert files(tmp_path) == []
    assert len(asked) == 1


def test_redirects_are_followed_over_https_only(entry: ModelEntry, tmp_path: Path) -> None:
    def to(place: str) -> Handler:
        def handler(request: httpx.Request) -> httpx.Response:
            if request.url.host == "weights.example":
                return httpx.Response(302, headers={"Location": place})
            assert request.url.scheme == "https", "nothing is asked in the clear"
            return httpx.Response(200, content=CONTENT)

        return handler

    with pytest.raises(PullError, match=r"leads to http://store\.example, which is not https") as e:
        get(entry, tmp_path, to("http://store.example/x?signature=secret"))
    assert "secret" not in str(e.value)
    assert get(entry, tmp_path, to("https://store.example/x"))[0].read_bytes() == CONTENT


def test_a_circle_of_redirects_ends(entry: ModelEntry, tmp_path: Path) -> None:
    with pytest.raises(PullError, match="redirects more than 5 times"):
        get(entry, tmp_path, lambda _: httpx.Response(302, headers={"Location": ADDRESS}))


def test_a_missing_file_is_said_without_trying_again(entry: ModelEntry, tmp_path: Path) -> None:
    with pytest.raises(PullError, match="HTTP status 404"):
        get(entry, tmp_path, lambda _: httpx.Response(404))
    assert files(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_said(entry: ModelEntry, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(PullError, match=r"tiny\.onnx cannot be written"):
        get(entry, tmp_path / "cache", lambda _: httpx.Response(200, content=CONTENT))


def test_embedded_and_unknown_models_are_not_pulled(tmp_path: Path) -> None:
    with pytest.raises(PullError, match="part of this installation"):
        pull("nanodet_g", tmp_path)
    with pytest.raises(UnknownModel, match="the known ones are"):
        pull("yolo", tmp_path)

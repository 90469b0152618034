"""The API against its own description, by requests that schemathesis makes up: no faults, nothing
that needs no key where the description says that it does, and nothing of a foreign camera."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.transport.serialization import Binary

from api.access import RULES
from streams.evidenceform import CONTENT_TYPE
from tests.api.matrix import SYSTEM, Running, running
from tests.api.matrix_world import ALERTS, FOREIGN, OWN
from tests.api.served import add_key

ENDLESS: Final = {
    # the access matrix reads both, as far as a reader without end can
    "/api/v1/alerts/stream": "its answer has no end",
    "/api/v1/cameras/{camera}/live": "its answer has no end",
}
LATER: Final = {503, 504, 507}
"""Says that something is to be asked again; a description has to name it, as any other status."""
CHECKS: Final = [
    ignored_auth, status_code_conformance, content_type_conformance, response_schema_conformance,
]  # fmt: skip
OPERATIONS: Final = sorted(
    f"{rule.method} {rule.path}"
    for rule in RULES
    if rule.kind == "http" and rule.path.startswith(("/api/", "/healthz", "/readyz"))
    and rule.path not in ENDLESS
)  # fmt: skip


@schemathesis.serializer(CONTENT_TYPE)
def as_it_is(_context: Any, value: Any) -> bytes:
    """A body of a type of ours, which is sent as it was made up."""
    if isinstance(value, Binary):
        return value.data
    return value if isinstance(value, bytes) else json.dumps(value, default=str).encode()


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def schema(served: Running) -> Any:
    # a session's cookie is named for the port of its server
    described = json.dumps(served.described).replace("matakota_8080", f"matakota_{served.port}")
    return schemathesis.openapi.from_dict(json.loads(described))


@pytest.fixture(scope="module")
def everything(served: Running) -> dict[str, str]:
    """A machine key with every scope, for its own camera alone."""
    return {"authorization": f"Bearer {add_key(served.world.store, 'fuzz', cameras=[OWN])}"}


def operation_of(schema: Any, name: str) -> Any:
    found = [each.ok() for each in schema.get_all_operations()]
    return next(each for each in found if each.label == name)


def cases(operation: Any) -> st.SearchStrategy[Any]:
    """Requests that fit the description and others that do not, often for cameras that exist."""
    names = {each.name for each in operation.path_parameters}
    asked = {each.name for each in operation.query}
    made = [operation.as_strategy(mode) for mode in (GenerationMode.POSITIVE,)]
    if operation.path_parameters or operation.query or operation.body:
        made.append(operation.as_strategy(GenerationMode.NEGATIVE))
    for camera in (OWN, FOREIGN):
        known = {"camera": camera, "alert_id": ALERTS[camera]}
        path = {name: value for name, value in known.items() if name in names}
        query = {name: value for name, value in known.items() if name in asked}
        if path:
            made.append(operation.as_strategy(path_parameters=path))
        if query:
            made.append(operation.as_strategy(query=query))
    return st.one_of(made)


def check(served: Running, operation: Any, headers: dict[str, str], examples: int) -> None:
    """Ask ``examples`` times; whoever asks sees the own camera alone, unless all of them."""

    @given(case=cases(operation))
    @settings(
        max_examples=examples,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    def run(case: Any) -> None:
        answer = case.call(base_url=f"http://127.0.0.1:{served.port}", headers=headers)
        wanted = [*CHECKS, *([] if answer.status_code in LATER else [not_a_server_error])]
        if answer.headers.get("content-type") in (["image/jpeg"], [CONTENT_TYPE]):
            # whose schema it is that it is read as text
            wanted.remove(response_schema_conformance)
        case.validate_response(answer, checks=wanted, headers=headers)
        text = answer.content.decode("utf-8", "replace").lower()
        asked = FOREIGN in (answer.request.url or "").lower() or FOREIGN in str(case.body)
        allowed = (asked and answer.status_code == 404) or operation.path.startswith(SYSTEM)
        assert allowed or FOREIGN not in text, text[:500]

    run()


def test_every_operation_is_asked(served: Running) -> None:
    described = {
        f"{method.upper()} {path}"
        for path, operations in served.described["paths"].items()
        for method in operations
    }
    assert described == {*OPERATIONS, *(f"GET {path}" for path in ENDLESS)}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_key_with_every_scope(
    served: Running, schema: Any, everything: dict[str, str], name: str
) -> None:
    check(served, operation_of(schema, name), everything, 20)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_viewer(served: Running, schema: Any, name: str) -> None:
    headers = dict(served.world.held["viewer"])
    check(served, operation_of(schema, name), headers, 10)


def test_what_is_open_is_found(served: Running, schema: Any, everything: dict[str, str]) -> None:
    path = "/api/v1/workers"
    number = next(i for i, rule in enumerate(RULES) if rule.path == path)
    served.change([(number, None)])
    try:
        with pytest.raises(FailureGroup, match="without authentication"):
            check(served, operation_of(schema, f"GET {path}"), everything, 2)
    finally:
        served.change()


@pytest.mark.long
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("caller", ["everything", "operator"])
def test_at_length(
    served: Running, schema: Any, everything: dict[str, str], caller: str, name: str
) -> None:
    held = everything if caller == "everything" else dict(served.world.held[caller])
    check(served, operation_of(schema, name), held, 40)


def test_nothing_failed_in_the_server(served: Running) -> None:
    assert not served.faults, served.faults[-3000:]

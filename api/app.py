"""The application: every route, behind the door."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from api import alerts, cameras, counts, health
from api.auth import OPEN_PATHS, Door, KnownKeys
from api.bell import Bell
from api.feed import Feed
from api.services import Ingesting, Services, said
from api.store import Store, TooManyRowsError, UnstorableError
from vision.errors import StoreError

PREFIX: Final = "/api/v1"
RETRY_S: Final = 5
NOTHING: Final = "there is nothing at this path: GET /openapi.json lists what there is"
OTHER_METHOD: Final = "this path takes other methods: GET /openapi.json lists them"
_DESCRIPTION: Final = """Incidents and traffic counts of a city's cameras.

Every route but /healthz and /readyz needs a machine key, which `matakota keys create` makes.
Times are ISO 8601; those in answers are UTC with milliseconds. Whatever is refused says why in
`detail`, one sentence.
"""


def create_app(store: Store, bell: Bell, ingest: Ingesting, *, everywhere: bool) -> Door:
    """The whole application. ``everywhere`` lets other machines than this one ask."""
    app = FastAPI(
        title="Matakota",
        version=_version(),
        description=_DESCRIPTION,
        # Their pages load scripts from other servers.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    feed = Feed(store.alerts, bell, lambda alert: alerts.AlertOut.of(alert).model_dump_json())
    keys = KnownKeys(store.keys)
    app.state.services = Services(store=store, bell=bell, feed=feed, keys=keys, ingest=ingest)
    for part in (alerts, counts, cameras):
        app.include_router(part.router, prefix=PREFIX)
    app.include_router(health.router)
    app.add_exception_handler(RequestValidationError, _wrong)
    app.add_exception_handler(404, _nothing_here)
    app.add_exception_handler(405, _wrong_method)
    app.add_exception_handler(UnstorableError, _refused)
    app.add_exception_handler(TooManyRowsError, _refused)
    app.add_exception_handler(StoreError, _store_gone)
    app.openapi_schema = _described(app.openapi())
    return Door(app, keys, everywhere=everywhere)


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """The description with what no route knows of: what the door asks for, and the body that is
    read by its own route, so that it is bounded."""
    stated = alerts.AlertIn.model_json_schema(ref_template=alerts.SCHEMAS + "{model}")
    schema["components"]["schemas"] |= stated.pop("$defs") | {"AlertIn": stated}
    schema["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "mk_…"},
        "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    }
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path in OPEN_PATHS else [{"bearer": []}, {"header": []}]
    return schema


async def _nothing_here(_request: Request, error: Exception) -> JSONResponse:
    given = error.detail if isinstance(error, HTTPException) else ""
    detail = NOTHING if given in {"", "Not Found"} else given
    return JSONResponse({"detail": detail}, status_code=404)


async def _wrong_method(_request: Request, error: Exception) -> JSONResponse:
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse({"detail": OTHER_METHOD}, status_code=405, headers=headers)


async def _wrong(_request: Request, error: Exception) -> JSONResponse:
    errors = error.errors() if isinstance(error, RequestValidationError) else ()
    return JSONResponse({"detail": said(list(errors))}, status_code=422)


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, status_code=422)


async def _store_gone(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse(
        {"detail": str(error)}, status_code=503, headers={"Retry-After": str(RETRY_S)}
    )


def _version() -> str:
    try:
        return version("matakota")
    except PackageNotFoundError:
        return "0"

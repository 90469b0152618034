"""The application: every route, behind the door."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import fastapi_offline
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from api import alerts, cameras, configuration, counts, health, pictures, sessions, workers
from api.auth import OPEN_PATHS, KnownKeys
from api.bell import Bell
from api.door import Door
from api.feed import Feed
from api.live import CrowdedError, Hub
from api.services import Ingesting, Services, said
from api.store import Store, TooManyRowsError, UnstorableError
from api.tries import TooManyTriesError, Tries
from streams.bus import Control
from vision.errors import BusError, StoreError

PREFIX: Final = "/api/v1"
RETRY_S: Final = 5
ROOM: Final = "/room/"
"""Where the pages are, if there are any."""
DOCS: Final = "/docs"
DOCS_FILES: Final = "/docs/files"
NOTHING: Final = "there is nothing at this path: GET /openapi.json lists what there is"
OTHER_METHOD: Final = "this path takes other methods: GET /openapi.json lists them"
_DESCRIPTION: Final = """Incidents and traffic counts of a city's cameras.

Every route but /healthz and /readyz needs a machine key, which `matakota keys create` makes, or the
session of a browser that came in by a link, which `matakota link` prints. Times are ISO 8601; those
in answers are UTC with milliseconds. Whatever is refused says why in `detail`, one sentence.
"""


def create_app(
    store: Store,
    bell: Bell,
    ingest: Ingesting,
    control: Control,
    hub: Hub,
    *,
    everywhere: bool,
    pages: Callable[[FastAPI], None] | None = None,
) -> Door:
    """The whole application. ``everywhere`` lets other machines than this one ask; ``pages`` puts
    the pages for people at ``ROOM``."""
    app = FastAPI(
        title="Matakota",
        version=_version(),
        description=_DESCRIPTION,
        # Its own pages load scripts from other servers.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    feed = Feed(store.alerts, bell, lambda alert: alerts.AlertOut.of(alert).model_dump_json())
    keys = KnownKeys(store.keys)
    app.state.services = Services(
        store=store,
        bell=bell,
        feed=feed,
        keys=keys,
        ingest=ingest,
        hub=hub,
        tries=Tries(control, lambda: bell.closed),
    )
    for part in (alerts, counts, pictures, cameras, configuration, workers):
        app.include_router(part.router, prefix=PREFIX)
    app.include_router(health.router)
    app.include_router(sessions.router)
    app.add_api_route(DOCS, _docs, include_in_schema=False)
    files = StaticFiles(directory=Path(fastapi_offline.__file__).with_name("static"))
    app.mount(DOCS_FILES, files, name="docs files")
    app.add_exception_handler(RequestValidationError, _wrong)
    app.add_exception_handler(404, _nothing_here)
    app.add_exception_handler(405, _wrong_method)
    app.add_exception_handler(UnstorableError, _refused)
    app.add_exception_handler(TooManyRowsError, _refused)
    for passing in (StoreError, BusError, CrowdedError, TooManyTriesError):
        app.add_exception_handler(passing, _later)
    app.openapi_schema = _described(app.openapi())
    if pages is not None:
        for path in ("/", ROOM.rstrip("/")):
            app.add_api_route(path, _to_the_room, include_in_schema=False)
        pages(app)
    return Door(app, keys, everywhere=everywhere)


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """The description with what no route knows of: what the door asks for, and the body that is
    read by its own route, so that it is bounded."""
    stated = alerts.AlertIn.model_json_schema(ref_template=alerts.SCHEMAS + "{model}")
    schema["components"]["schemas"] |= stated.pop("$defs") | {"AlertIn": stated}
    schema["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "mk_…"},
        "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "matakota_8080",
            "description": "ms_…, of a browser that came in by a link; named for the server's port",
        },
    }
    ways: list[dict[str, list[str]]] = [{"bearer": []}, {"header": []}, {"session": []}]
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            operation["security"] = [] if path in OPEN_PATHS else ways
    return schema


async def _docs() -> HTMLResponse:
    """The description as a page, whose files come from here."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="Matakota API",
        swagger_js_url=f"{DOCS_FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{DOCS_FILES}/swagger-ui.css",
        swagger_favicon_url=f"{DOCS_FILES}/favicon.png",
        # it would ask another server what it thinks of the description
        swagger_ui_parameters={"validatorUrl": None},
    )


async def _to_the_room() -> RedirectResponse:
    return RedirectResponse(ROOM, 303)


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


async def _later(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse(
        {"detail": str(error)}, status_code=503, headers={"Retry-After": str(RETRY_S)}
    )


def _version() -> str:
    try:
        return version("matakota")
    except PackageNotFoundError:
        return "0"

"""The application: every route, behind the door."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import fastapi_offline
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from api import (
    alerts,
    audit,
    auth,
    cameras,
    chain,
    configuration,
    counts,
    deliveries,
    drawing,
    export,
    forms,
    handling,
    health,
    me,
    pictures,
    precision,
    scenekinds,
    silences,
    suggestion,
    workers,
)
from api.access import RULES, Permission
from api.bell import Bell
from api.bodies import SCHEMAS
from api.door import Door, refusal
from api.evidence import answers, managing
from api.evidence import routes as evidence
from api.evidence.masks import Masks
from api.evidence.room import EvidenceRoom
from api.evidence.transfer import Intake, Reading, TooManyUploadsError
from api.feed import Feed
from api.handover import routes as handover
from api.handover.press import Press, PressBusyError
from api.known import KnownKeys
from api.live import CrowdedError, Hub
from api.login import Login
from api.oidc import SignIn
from api.proxies import NO_PROXIES, Proxies
from api.services import Ingesting, Services, said
from api.store import Store, TooManyRowsError, UnstorableError
from api.traffic import routes as traffic
from api.tries import Checks, Replays, Stills, TooManyTriesError, Tries
from streams.bus import Control
from vision.errors import BusError, EvidenceError, StoreError

PREFIX: Final = "/api/v1"
RETRY_S: Final = 5
ROOM: Final = "/room/"
"""Where the pages are, if there are any."""
DOCS: Final = "/docs"
DOCS_FILES: Final = "/docs/files"
_DESCRIPTION: Final = """Incidents and traffic counts of a city's cameras.

Every route but /healthz and /readyz needs a machine key, which an administrator makes on the page
/keys or with `matakota keys create`, or the session of a person who signed in at /login. Each route
says which scope a key needs for it; a person's role includes it or does not. Of cameras that are
not the caller's nothing is said: they are left out, or not found (404). What changes something with
a session also needs this server's own Origin, and the token of its forms as X-CSRF-Token.
Times are ISO 8601; those in answers are UTC with milliseconds. Whatever is refused says why in
`detail`, one sentence.
"""


def create_app(
    store: Store,
    bell: Bell,
    ingest: Ingesting,
    control: Control,
    hub: Hub,
    room: EvidenceRoom,
    *,
    everywhere: bool,
    proxies: Proxies = NO_PROXIES,
    oidc: SignIn | None = None,
    pieces: Path | None = None,
    pages: Callable[[FastAPI], None] | None = None,
) -> Door:
    """The whole application. ``everywhere`` lets other machines than this one ask, ``proxies`` are
    believed about who asks; ``oidc`` is a second way in; ``pieces`` is the folder of masked pieces
    of video; ``pages`` puts the pages for people at ``ROOM``."""
    app = _Application(
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
        replays=Replays(control, lambda: bell.closed),
        stills=Stills(control, lambda: bell.closed),
        checks=Checks(control, lambda: bell.closed),
        login=Login(store, keys),
        room=room,
        masks=Masks(room, control, lambda: ingest.workers, lambda: bell.closed),
        intake=Intake(),
        reading=Reading(),
        press=Press(),
        exports=Press(),
        oidc=oidc,
        pieces=pieces,
    )
    for part in (
        me,
        export,
        handling,
        alerts,
        evidence,
        managing,
        precision,
        suggestion,
        silences,
        handover,
        chain,
        deliveries,
        traffic,
        counts,
        pictures,
        cameras,
        configuration,
        drawing,
        scenekinds,
        workers,
        audit,
    ):
        app.include_router(part.router, prefix=PREFIX)
    app.include_router(health.router)
    app.include_router(forms.router)
    app.add_api_route(DOCS, _docs, include_in_schema=False)
    files = StaticFiles(directory=Path(fastapi_offline.__file__).with_name("static"))
    app.mount(DOCS_FILES, files, name="docs files")
    app.add_exception_handler(RequestValidationError, _wrong)
    app.add_exception_handler(400, _unreadable)
    app.add_exception_handler(404, _nothing_here)
    app.add_exception_handler(405, _wrong_method)
    app.add_exception_handler(UnstorableError, _refused)
    app.add_exception_handler(TooManyRowsError, _refused)
    app.add_exception_handler(EvidenceError, _evidence)
    for passing in (
        StoreError, BusError, CrowdedError, TooManyTriesError, TooManyUploadsError, PressBusyError
    ):  # fmt: skip
        app.add_exception_handler(passing, _later)
    if pages is not None:
        for path in ("/", ROOM.rstrip("/")):
            app.add_api_route(path, _to_the_room, include_in_schema=False)
        pages(app)
    return Door(app, keys, everywhere=everywhere, proxies=proxies)


class _Application(FastAPI):
    """One whose description is made when it is first asked for, since that takes long."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = _described(super().openapi())
        return self.openapi_schema


def _described(schema: dict[str, Any]) -> dict[str, Any]:
    """The description with what no route knows of: what the door asks for, and the bodies that are
    read by their own routes, so that they are bounded."""
    for body in (
        alerts.AlertIn,
        *handling.BODIES,
        *silences.BODIES,
        *configuration.BODIES,
        *drawing.BODIES,
        *answers.BODIES,
        *managing.BODIES,
    ):
        shape = body.model_json_schema(ref_template=SCHEMAS + "{model}")
        schema["components"]["schemas"] |= shape.pop("$defs", {}) | {body.__name__: shape}
    schema["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "mk_…"},
        "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "matakota_8080",
            "description": "ms_…, of a person who signed in; named for the server's port, and over "
            "HTTPS with __Host- before that",
        },
        "csrf": {
            "type": "apiKey",
            "in": "header",
            "name": "X-CSRF-Token",
            "description": "Beside a session, for what changes something",
        },
    }
    needs = {(rule.path, rule.method): rule.needs for rule in RULES if rule.kind == "http"}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            operation["security"] = _ways(method, needs[path, method.upper()])
    return schema


def _ways(method: str, needs: Permission | None) -> list[dict[str, list[str]]]:
    """What opens a route, for its description."""
    if needs is None:
        return []
    session = ["session"] if method in {"get", "head"} else ["session", "csrf"]
    return [
        {name: [needs.value] for name in together} for together in (["bearer"], ["header"], session)
    ]


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


def _answer(
    request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Why something is not done: a page where a person looks, JSON for programs."""
    scope = request.scope
    _, body, said = refusal(scope[auth.ASK], auth.Decision(status, detail), scope.get(auth.CALLER))
    return Response(body, status, {**said, **(headers or {})})


async def _unreadable(request: Request, _error: Exception) -> Response:
    # the framework says so of bytes that are no text, and 422 of text that is no JSON
    return _answer(request, 422, "the body is no JSON in UTF-8: send that")


async def _nothing_here(request: Request, error: Exception) -> Response:
    given = error.detail if isinstance(error, HTTPException) else ""
    detail = auth.NOTHING.detail if given in {"", "Not Found"} else given
    return _answer(request, 404, detail)


async def _wrong_method(request: Request, error: Exception) -> Response:
    headers = error.headers if isinstance(error, HTTPException) else None
    return _answer(request, 405, auth.OTHER_METHOD.detail, headers)


async def _wrong(request: Request, error: Exception) -> Response:
    errors = error.errors() if isinstance(error, RequestValidationError) else ()
    return _answer(request, 422, said(list(errors)))


async def _refused(request: Request, error: Exception) -> Response:
    return _answer(request, 422, str(error))


async def _evidence(request: Request, error: Exception) -> Response:
    status = answers.status_of(error) if isinstance(error, EvidenceError) else 503
    later = {"Retry-After": str(RETRY_S)} if status in {408, 503, 507} else None
    return _answer(request, status, str(error), later)


async def _later(request: Request, error: Exception) -> Response:
    return _answer(request, 503, str(error), {"Retry-After": str(RETRY_S)})


def _version() -> str:
    try:
        return version("matakota")
    except PackageNotFoundError:
        return "0"

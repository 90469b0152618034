"""Pages of plain forms, read and sent as a browser does it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx

from api.store import Entry, Wanted
from tests.api.served import Api, add_session, person_headers

HOSTILE = "<script>window.hit=1</script>\"'><img src=x onerror=hit()>"
NAMES = (HOSTILE, 'O\'Neil & "co" {{ 7 * 7 }} %(name)s', "مراقب الليل", "😀" * 63)
"""What somebody may be called, and what has to do no harm anywhere."""


@dataclass
class Form:
    """A form of a page: where it goes, and what it holds as the page shows it."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    boxes: dict[str, list[str]] = field(default_factory=dict)

    def values(self, name: str) -> list[str]:
        """What would be sent under this name."""
        return [value for key, value in self.fields if key == name]


class Page(HTMLParser):
    """What a page shows and which forms it has."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.answer = answer
        self.status = answer.status_code
        self.forms: list[Form] = []
        self.tags: list[str] = []
        self.ids: dict[str, str] = {}
        self.problem = ""
        self.links: list[str] = []
        self._texts: list[str] = []
        self._open: list[tuple[str, dict[str, str]]] = []
        self._select = ""
        self.feed(answer.text)

    @property
    def text(self) -> str:
        """All that can be read, with one space where there are more."""
        return " ".join(" ".join(self._texts).split())

    def form(self, action: str) -> Form:
        (found,) = (form for form in self.forms if form.action == action)
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        if tag not in {"input", "img", "meta", "link", "br"}:
            self._open.append((tag, given))
        if tag == "a":
            self.links.append(given["href"])
        elif tag == "form":
            self.forms.append(Form(given["action"], given["method"]))
        elif tag == "select":
            self._select = given["name"]
        elif tag == "option" and "selected" in given:
            self.forms[-1].fields.append((self._select, given["value"]))
        elif tag == "input":
            form, name, value = self.forms[-1], given["name"], given.get("value", "")
            if given.get("type") in {"checkbox", "radio"}:
                form.boxes.setdefault(name, []).append(value)
                if "checked" not in given:
                    return
            form.fields.append((name, value))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        self._texts.append(data)
        for _, given in self._open:
            if given.get("role") == "alert":
                self.problem += data
            if "id" in given:
                self.ids[given["id"]] = self.ids.get(given["id"], "") + data


@dataclass
class Browser:
    """A person's browser at a served application; it follows nothing by itself."""

    client: httpx.Client
    session: str

    @property
    def id(self) -> str:
        """The id of its session."""
        return self.session.split("_")[1]

    def open(self, path: str, **query: str) -> Page:
        return Page(self.client.get(path, params=query or None))

    def send(self, page: Page, action: str, **changes: Any) -> Page:
        """Send a form of a page with ``changes``: a text, a list for boxes, None for nothing."""
        form = page.form(action)
        assert form.method == "post"
        kept = [(name, value) for name, value in form.fields if name not in changes]
        given = {name: value for name, value in changes.items() if value is not None}
        for name, value in given.items():
            kept += [(name, each) for each in ([value] if isinstance(value, str) else value)]
        return Page(self.client.post(action, data=_grouped(kept)))


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


@contextmanager
def browser(api: Api, user: int) -> Iterator[Browser]:
    """The browser of a user, in a session of its own, that speaks English."""
    session = add_session(api.store, user)
    headers = person_headers(api.client.base_url.port or 0, session)
    # what a page's forms send is in the page
    del headers["x-csrf-token"]
    headers |= {"accept": "text/html", "accept-language": "en"}
    with httpx.Client(base_url=api.client.base_url, headers=headers, timeout=30) as client:
        yield Browser(client, session)


def went_to(page: Page) -> str:
    """Where a form that was taken sends the browser."""
    assert page.status == 303, page.text
    return page.answer.headers["location"]


def record(api: Api, action: str) -> list[Entry]:
    """What is in the record of an action, newest first."""
    return api.store.audit.find(Wanted(action=action), limit=100).entries

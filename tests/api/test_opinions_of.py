"""Which second opinions the environment asks for."""

from __future__ import annotations

import pytest

import api.cli.opinions as module
from api.cli.opinions import MAX_TIMEOUT_S, opinions_of
from tests.needs import REPO
from vision.errors import ConfigError

URL = {"MATAKOTA_OPINION_URL": "http://127.0.0.1:8080/v1"}
BOTH = {**URL, "MATAKOTA_OPINION_MODEL": "looker"}


@pytest.mark.parametrize(
    "environ", [{}, {"MATAKOTA_OPINION_URL": ""}, {"MATAKOTA_OPINION_KINDS": "crowd"}]
)
def test_nobody_is_asked_unless_named(environ: dict[str, str]) -> None:
    assert opinions_of(environ) is None


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"MATAKOTA_OPINION_KINDS": " crowd, loitering ,"},
        {"MATAKOTA_OPINION_TIMEOUT_S": "5"},
        {"MATAKOTA_OPINION_KEY": "not-a-real-key"},
    ],
)
def test_who_is_named_is_asked(more: dict[str, str]) -> None:
    assert opinions_of(BOTH | more) is not None


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        (URL, "set MATAKOTA_OPINION_MODEL"),
        (BOTH | {"MATAKOTA_OPINION_URL": "nowhere"}, "is none"),
        (BOTH | {"MATAKOTA_OPINION_KINDS": "crowd,rain"}, "'rain', which is no kind"),
        (BOTH | {"MATAKOTA_OPINION_TIMEOUT_S": "soon"}, f"from 1 to {MAX_TIMEOUT_S:g}"),
        (BOTH | {"MATAKOTA_OPINION_TIMEOUT_S": "nan"}, "from 1 to"),
        (BOTH | {"MATAKOTA_OPINION_TIMEOUT_S": "0"}, "from 1 to"),
    ],
)
def test_mistakes_are_said(environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        opinions_of(environ)


def test_every_variable_is_explained() -> None:

    named = [value for name, value in vars(module).items() if name.endswith("_VARIABLE")]
    text = (REPO / "docs" / "opinions.md").read_text(encoding="utf-8")
    assert len(named) == 5
    assert all(f"| `{name}` |" in text for name in named)

"""Which second opinions the environment asks for: none unless it says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from models.errors import UnknownModel
from models.zoo import cache_folder, resolve
from streams.opinionchat import TIMEOUT_S, ChatAdviser
from streams.opinionclassifier import ClassifierAdviser
from streams.opinions import Opinions
from vision.errors import ConfigError
from vision.rules.registry import kinds

URL_VARIABLE: Final = "MATAKOTA_OPINION_URL"
MODEL_VARIABLE: Final = "MATAKOTA_OPINION_MODEL"
KEY_VARIABLE: Final = "MATAKOTA_OPINION_KEY"
KINDS_VARIABLE: Final = "MATAKOTA_OPINION_KINDS"
TIMEOUT_VARIABLE: Final = "MATAKOTA_OPINION_TIMEOUT_S"
MAX_TIMEOUT_S: Final = 120.0


def opinions_of(environ: Mapping[str, str]) -> Opinions | None:
    """Who is asked for second opinions, None where nobody is named: a server, or a classifier
    of the zoo. An empty variable counts as none. Raises ConfigError and ModelError."""
    url, model = environ.get(URL_VARIABLE), environ.get(MODEL_VARIABLE)
    if not model:
        if not url:
            return None
        raise ConfigError(
            f"{URL_VARIABLE} names a server for second opinions, but no model: set {MODEL_VARIABLE}"
        )
    if not url:
        return _classified(model, environ)
    key = environ.get(KEY_VARIABLE) or None
    return Opinions(ChatAdviser(url, model, key, _timeout_s(environ)), _kinds(environ))


def _classified(model: str, environ: Mapping[str, str]) -> Opinions:
    try:
        verified = resolve(model, cache=cache_folder(environ))
    except UnknownModel as error:
        raise ConfigError(
            f"{MODEL_VARIABLE}: {error}; for a model of a server set {URL_VARIABLE} as well"
        ) from None
    adviser = ClassifierAdviser.of(verified)
    unknown = [kind for kind in adviser.confirms if kind not in kinds()]
    if unknown:
        raise ConfigError(
            f"{model} confirms '{unknown[0]}', which is no kind of incident: choose out of "
            f"{', '.join(kinds())}"
        )
    wanted = _kinds(environ) or list(adviser.confirms)
    strange = [kind for kind in wanted if kind not in adviser.confirms]
    if strange:
        raise ConfigError(
            f"{KINDS_VARIABLE} names '{strange[0]}', of which {model} knows nothing: it confirms "
            f"{', '.join(adviser.confirms)}"
        )
    return Opinions(adviser, wanted)


def _timeout_s(environ: Mapping[str, str]) -> float:
    text = environ.get(TIMEOUT_VARIABLE)
    if not text:
        return TIMEOUT_S
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 1 <= found <= MAX_TIMEOUT_S:
        raise ConfigError(
            f"{TIMEOUT_VARIABLE} is '{text}': write seconds from 1 to {MAX_TIMEOUT_S:g}"
        )
    return found


def _kinds(environ: Mapping[str, str]) -> list[str] | None:
    named = [name.strip() for name in environ.get(KINDS_VARIABLE, "").split(",") if name.strip()]
    unknown = [name for name in named if name not in kinds()]
    if unknown:
        raise ConfigError(
            f"{KINDS_VARIABLE} names '{unknown[0]}', which is no kind of incident: choose out of "
            f"{', '.join(kinds())}"
        )
    return named or None

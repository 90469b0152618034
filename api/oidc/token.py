"""Identity tokens: what a sign-in service says of somebody, believed only where it is signed by
that service, for this server, and for the sign-in that was begun."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError, UnsupportedAlgorithmError
from joserfc.jwk import import_key
from joserfc.jws import JWSRegistry, extract_compact

from vision.errors import ServiceError

LEEWAY_S: Final = 60
"""So far may the service's clock be from ours."""
MAX_SUBJECT_CHARS: Final = 255
MAX_TRIED: Final = 8
_RSA_CHARS: Final = 342
"""Of base64 in the modulus of an RSA key of 2048 bits; shorter ones are not believed."""
_FITS: Final[Mapping[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""The ways of signing that are accepted, each with the type and the curve of its keys."""
# what these libraries raise for something that is none of theirs; nesting may be endless
_WRONG: Final = (JoseError, ValueError, TypeError, KeyError, OverflowError, RecursionError)


class SignInError(ServiceError):
    """The sign-in service says what cannot be believed or understood."""


class SignInGoneError(SignInError):
    """The sign-in service gives no answer now, or too many sign in at once."""

    passing = True


class SignInOverError(SignInError):
    """This sign-in leads nowhere any more: it has to be begun again."""


class NotBegunError(SignInOverError):
    """Somebody comes back who has not begun to sign in; nothing was asked of the service."""


class SignInDeniedError(SignInError):
    """The sign-in service did not let the person in, or they turned back."""


class UnknownKeyError(SignInError):
    """None of the service's keys has signed this; it may have new ones."""


class _Registry(JWSRegistry):
    """The ways of signing in ``_FITS``, and no other. What else stands in a header is ignored,
    unless it has to be understood."""

    max_header_length = 4096

    def __init__(self) -> None:
        super().__init__(algorithms=[*_FITS], strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        # the library warns of EdDSA, since it has another name now
        if name not in _FITS:
            raise UnsupportedAlgorithmError(f"{name} is not accepted")
        return self.algorithms[name]


def read_json(body: bytes, what: str) -> dict[str, Any]:
    """An object. Raises SignInError, which names ``what`` it is."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise SignInError(f"the sign-in service's {what} is no JSON object: is its issuer right?")
    return found


def read_id_token(
    text: str,
    keys: Iterable[object],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    now: float,
) -> dict[str, Any]:
    """What a token says, at ``now`` (UTC seconds). Raises UnknownKeyError where none of ``keys``
    (JWKs) has signed it, and SignInError where it is not to be believed."""
    registry = _Registry()
    try:
        header = extract_compact(text.encode(), registry=registry).headers()
        registry.check_header(header)
    except _WRONG as error:
        raise SignInError(f"the identity token is none ({_named(error)})") from None
    if header.get("alg") not in _FITS:
        raise SignInError(
            f"the identity token is not signed by {', '.join(_FITS)}: have the service use one"
        )
    for key in _candidates(keys, header):
        try:
            token = jwt.decode(text, import_key(key), registry=registry)
        except BadSignatureError:
            continue
        except _WRONG as error:
            raise SignInError(f"the identity token cannot be read ({_named(error)})") from None
        return _checked(token, issuer, client_id, nonce, now)
    raise UnknownKeyError("the identity token is signed by no key of the sign-in service")


def _candidates(keys: Iterable[object], header: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The keys that may have signed: those with the key id, if there is one in the header."""
    alg, kid = header["alg"], header.get("kid")
    kind, curve = _FITS[alg]
    return [
        key
        for key in keys
        if isinstance(key, dict)
        and (key.get("kty"), key.get("crv")) == (kind, curve)
        and (kind != "RSA" or len(str(key.get("n"))) >= _RSA_CHARS)
        and key.get("use") in {None, "sig"}
        and key.get("alg") in {None, alg}
        and (kid is None or key.get("kid") == kid)
    ][:MAX_TRIED]


def _checked(
    token: jwt.Token, issuer: str, client_id: str, nonce: str, now: float
) -> dict[str, Any]:
    wanted = {
        "iss": {"essential": True, "value": issuer},
        "aud": {"essential": True, "value": client_id},
        "sub": {"essential": True},
        "exp": {"essential": True},
        "iat": {"essential": True},
    }
    params = {"nonce": nonce, "client_id": client_id}
    claims = CodeIDToken(token.claims, token.header, wanted, params)
    try:
        claims.validate(now=int(now), leeway=LEEWAY_S)
    except _WRONG as error:
        raise SignInError(f"the identity token is not to be believed ({_named(error)})") from None
    if len(claims["sub"]) > MAX_SUBJECT_CHARS:
        raise SignInError("the identity token names its person by too long a text")
    return token.claims


def _named(error: Exception) -> str:
    """What was wrong, without what was sent."""
    said = str(error) if isinstance(error, JoseError) else type(error).__name__
    return said[:120] if said.isprintable() else ascii(said)[:120]

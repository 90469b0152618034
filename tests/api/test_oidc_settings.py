"""What the environment says about a sign-in service: all of it, or why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.oidc.settings import OidcSettings, is_safe
from vision.errors import ConfigError

SECRET = "no real secret"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "client-secret"
    file.touch(mode=0o600)
    file.write_text(f"{SECRET}\n")
    return {
        "MATAKOTA_OIDC_ISSUER": "https://id.example/realms/city/",
        "MATAKOTA_OIDC_CLIENT_ID": "matakota",
        "MATAKOTA_OIDC_CLIENT_SECRET_FILE": str(file),
        "MATAKOTA_BASE_URL": "https://matakota.example/",
    }


def test_everything_that_is_needed_is_read(environ: dict[str, str]) -> None:
    found = OidcSettings.read(environ)
    assert found == OidcSettings(
        issuer="https://id.example/realms/city/", client_id="matakota", client_secret=SECRET,
        base_url="https://matakota.example", name="id.example", claim="email",
    )  # fmt: skip
    assert SECRET not in repr(found)
    more = {"MATAKOTA_OIDC_NAME": "City account", "MATAKOTA_OIDC_CLAIM": "preferred_username"}
    found = OidcSettings.read(environ | more)
    assert found is not None
    assert (found.name, found.claim) == ("City account", "preferred_username")


@pytest.mark.parametrize(
    "said",
    [{}, {"MATAKOTA_BASE_URL": "https://matakota.example"}, {"MATAKOTA_OIDC_ISSUER": ""}],
)
def test_nothing_said_is_no_sign_in_service(said: dict[str, str]) -> None:
    assert OidcSettings.read(said) is None


@pytest.mark.parametrize(
    "missing",
    [
        ["MATAKOTA_OIDC_ISSUER"],
        ["MATAKOTA_OIDC_CLIENT_ID"],
        ["MATAKOTA_OIDC_CLIENT_SECRET_FILE"],
        ["MATAKOTA_BASE_URL"],
        ["MATAKOTA_OIDC_CLIENT_ID", "MATAKOTA_BASE_URL"],
    ],
)
def test_what_is_missing_is_named(environ: dict[str, str], missing: list[str]) -> None:
    for name in missing:
        environ[name] = ""
    with pytest.raises(ConfigError, match=" and ".join(missing)):
        OidcSettings.read(environ)


@pytest.mark.parametrize("name", ["MATAKOTA_OIDC_NAME", "MATAKOTA_OIDC_CLAIM"])
def test_a_name_alone_is_too_little(name: str) -> None:
    with pytest.raises(ConfigError, match="MATAKOTA_OIDC_ISSUER and MATAKOTA_OIDC_CLIENT_ID"):
        OidcSettings.read({name: "email"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MATAKOTA_OIDC_ISSUER", "http://id.example"),
        ("MATAKOTA_OIDC_ISSUER", "id.example"),
        ("MATAKOTA_OIDC_ISSUER", "https://id.example?tenant=1"),
        ("MATAKOTA_OIDC_ISSUER", "https://person:x@id.example"),
        ("MATAKOTA_OIDC_ISSUER", "https://id.example:port"),
        ("MATAKOTA_OIDC_ISSUER", "http://127.0.0.1.example"),
        ("MATAKOTA_BASE_URL", "http://matakota.example"),
        ("MATAKOTA_BASE_URL", "https://matakota.example/room"),
        ("MATAKOTA_BASE_URL", "https://matakota.example#room"),
        ("MATAKOTA_BASE_URL", "https://"),
        ("MATAKOTA_OIDC_CLAIM", "sub"),
        ("MATAKOTA_OIDC_NAME", "two\nlines"),
        ("MATAKOTA_OIDC_NAME", "long" * 20),
        ("MATAKOTA_OIDC_CLIENT_ID", "two\nlines"),
    ],
)
def test_what_is_wrong_is_named(environ: dict[str, str], name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        OidcSettings.read(environ | {name: value})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_secret_that_others_may_read_is_refused(environ: dict[str, str], mode: int) -> None:
    Path(environ["MATAKOTA_OIDC_CLIENT_SECRET_FILE"]).chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600") as caught:
        OidcSettings.read(environ)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"no real\nsecret", b"no\xffsecret", b"x" * 5000])
def test_a_file_that_holds_no_secret_is_refused(environ: dict[str, str], content: bytes) -> None:
    Path(environ["MATAKOTA_OIDC_CLIENT_SECRET_FILE"]).write_bytes(content)
    with pytest.raises(ConfigError, match="holds no client secret"):
        OidcSettings.read(environ)


def test_a_missing_file_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    environ["MATAKOTA_OIDC_CLIENT_SECRET_FILE"] = str(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="cannot be read"):
        OidcSettings.read(environ)


@pytest.mark.parametrize(
    ("address", "encrypted", "plain"),
    [
        ("https://id.example", True, True),
        ("https://id.example:8443/a?b=c", True, True),
        ("http://127.0.0.1:5000/a", False, True),
        ("http://[::1]:5000", False, True),
        ("http://localhost", False, True),
        ("http://localhost.example", False, False),
        ("http://10.0.0.1", False, False),
        ("ftp://127.0.0.1", False, False),
        ("//id.example", False, False),
        ("https://id.example/a b", False, False),
        ("https://id.example/ä", False, False),
        ("https://[id", False, False),
        ("", False, False),
    ],
)
def test_only_encrypted_ways_are_safe(address: str, encrypted: bool, plain: bool) -> None:
    assert is_safe(address, plain=False) is encrypted
    assert is_safe(address, plain=True) is plain

"""Where data lies, and what the environment names."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from streams.settings import Settings
from vision.errors import ConfigError


def test_the_option_wins_over_the_variable(tmp_path: Path) -> None:
    environ = {"MATAKOTA_DATA": str(tmp_path / "variable"), "XDG_DATA_HOME": str(tmp_path)}
    assert Settings.read(environ, tmp_path / "option").data == tmp_path / "option"
    assert Settings.read(environ, None).data == tmp_path / "variable"
    assert Settings.read(environ | {"MATAKOTA_DATA": ""}, None).data == tmp_path / "matakota"


def test_the_users_own_folder_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = tmp_path / ".local" / "share" / "matakota"
    assert Settings.read({}, None).data == expected
    assert Settings.read({"XDG_DATA_HOME": "relative"}, None).data == expected
    assert Settings.read({}, Path("~/x")).data == tmp_path / "x"


def test_a_new_folder_is_its_owners_alone(tmp_path: Path) -> None:
    data = Settings.read({}, tmp_path / "a" / "b").data
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_relative_folders_are_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.read({}, Path("data")).data == tmp_path / "data"


def test_addresses(tmp_path: Path) -> None:
    plain = Settings.read({"MATAKOTA_REDIS_URL": "", "MATAKOTA_DATABASE_URL": ""}, tmp_path)
    assert plain.database_url == f"sqlite:///{tmp_path}/matakota.db"
    assert plain.redis_url is None
    with pytest.raises(ConfigError, match=r"set MATAKOTA_REDIS_URL, .* or run 'matakota up'"):
        plain.redis()
    named = Settings.read(
        {
            "MATAKOTA_REDIS_URL": "redis://:geheim@host",
            "MATAKOTA_DATABASE_URL": "postgresql://u:geheim@host/db",
        },
        tmp_path,
    )
    assert named.redis() == "redis://:geheim@host"
    assert named.database_url == "postgresql://u:geheim@host/db"
    assert "geheim" not in f"{named} {named!r}"


def test_the_api_and_the_key_for_it(tmp_path: Path) -> None:
    none = Settings.read({"MATAKOTA_API_URL": "", "MATAKOTA_API_KEY": ""}, tmp_path)
    assert (none.api_url, none.api_key) == (None, None)
    named = Settings.read(
        {"MATAKOTA_API_URL": "https://room.example", "MATAKOTA_API_KEY": "not-a-real-key"}, tmp_path
    )
    assert (named.api_url, named.api_key) == ("https://room.example", "not-a-real-key")
    assert "not-a-real-key" not in f"{named} {named!r}"


def test_how_long_tracks_are_kept(tmp_path: Path) -> None:
    for text, hours in (("", 24), ("0", 0), ("2.5", 2.5), ("744", 744)):
        settings = Settings.read({"MATAKOTA_KEEP_TRACKS_H": text}, tmp_path)
        assert settings.keep_tracks_h() == hours
    for wrong in ("-1", "745", "nan", "inf", "a day"):
        settings = Settings.read({"MATAKOTA_KEEP_TRACKS_H": wrong}, tmp_path)
        with pytest.raises(ConfigError, match=r"tracks are kept for 0 to 744 hours"):
            settings.keep_tracks_h()


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for wrong in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"cannot be used \(.*\); name another with --data"):
            Settings.read({}, wrong)

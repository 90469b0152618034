"""The settings as a file that people write."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as trying

from api.alerting.decide import Decider
from api.alerting.document import alerting_yaml, load_alerting, problems
from api.alerting.secrets import ChannelSecret, load_secrets
from api.alerting.settings import Alerting, Matcher
from streams.citydocument import yaml_of
from tests.api.alerting.test_decide_any import usings
from tests.needs import REPO
from vision.errors import ConfigError

SIGNING = "whsec_" + base64.b64encode(b"not a secret of anybody!").decode()
OPENS = "json://fake-user:fake-password@localhost/hook"
SECRETS = {
    "duty-phone": {"url": OPENS},
    "supervisor": {"url": OPENS},
    "command-desk": {"secret": SIGNING},
}
DESK = {"name": "command-desk", "kind": "webhook", "url": "https://desk.example/alerts"}
PHONE = {"name": "duty-phone", "kind": "apprise"}
SMALL = {
    "secrets": "secrets.yaml",
    "channels": [DESK, PHONE],
    "sites": [{"name": "port", "cameras": ["gate", "quay"]}],
    "routes": [{"name": "all", "channels": ["command-desk"]}],
}


def write_secrets(folder: Path, secrets: Any = SECRETS, mode: int = 0o600) -> Path:
    path = folder / "secrets.yaml"
    path.write_text(secrets if isinstance(secrets, str) else yaml.safe_dump(secrets))
    path.chmod(mode)
    return path


def loaded(folder: Path, document: Mapping[str, Any] | str) -> Alerting:
    path = folder / "alerting.yaml"
    path.write_text(document if isinstance(document, str) else yaml_of(document))
    return load_alerting(path)


def refused(folder: Path, document: Mapping[str, Any] | str) -> str:
    """The one sentence, without the folder."""
    with pytest.raises(ConfigError) as caught:
        loaded(folder, document)
    said = str(caught.value)
    assert "\n" not in said
    return said.replace(f"{folder}/", "")


def test_the_example_is_read_and_written_again(tmp_path: Path) -> None:
    text = (REPO / "samples" / "alerting.yaml").read_text()
    path = write_secrets(tmp_path).rename(tmp_path / "alerting-secrets.yaml")
    first = loaded(tmp_path, text)
    assert [channel.name for channel in first.channels] == [
        "duty-phone", "supervisor", "command-desk",
    ]  # fmt: skip
    assert first.secrets == str(path)
    assert first.advice[1].text == "Call the fire brigade.\nThen tell the duty officer."
    for advice in first.advice:
        assert all(each.number.startswith("0000-000-") for each in advice.telephones)
    # wherever it is written to
    (elsewhere := tmp_path / "elsewhere").mkdir()
    assert loaded(elsewhere, alerting_yaml(first)) == first
    assert Decider(first).inhibiting >= {"queue", "congestion"}


@trying(
    max_examples=100, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(usings)
def test_what_is_written_is_read_to_the_same(tmp_path: Path, using: Alerting) -> None:
    path = write_secrets(tmp_path, {f"room{i}": {"secret": SIGNING} for i in (1, 2, 3)})
    if not using.channels or [*problems(using)]:
        return
    using = using.model_copy(update={"secrets": str(path)})
    assert loaded(tmp_path, alerting_yaml(using)) == using


def test_nothing_is_something(tmp_path: Path) -> None:
    assert loaded(tmp_path, "{}") == Alerting()
    assert loaded(tmp_path, alerting_yaml(Alerting())) == Alerting()


def changed(**more: Any) -> dict[str, Any]:
    return {**SMALL, **more}


def routes(**more: Any) -> dict[str, Any]:
    return changed(routes=[{"name": "all", "channels": ["command-desk"], **more}])


@pytest.mark.parametrize(
    ("document", "said"),
    [
        # the file as a whole
        ("[]", "alerting.yaml:1: expected a mapping of fields"),
        ("", "alerting.yaml:1: the file is empty"),
        ("channels: [", "not valid YAML"),
        # a field by itself, with its line
        ("channles: []", "alerting.yaml:1: unknown field 'channles', did you mean 'channels'?"),
        ("routes:\n- name: a\n  channels: [x]\n  chanels: [y]",
         "alerting.yaml:4: routes[0]: unknown field 'chanels', did you mean 'channels'?"),
        ("routes:\n- channels: [x]",
         "alerting.yaml:2: routes[0]: field 'name' is missing; add it"),
        ("channels:\n- {name: a, kind: sms}",
         "channels[0].kind: sms does not fit, input should be 'webhook' or 'apprise'; correct it"),
        ("channels:\n- {name: a, kind: apprise, per_minute: 0}",
         "alerting.yaml:2: channels[0].per_minute: 0 does not fit, input should be greater than"),
        ("channels:\n- {name: a, kind: webhook}",
         "alerting.yaml:2: channels[0]: a mapping does not fit, a webhook has a 'url'"),
        ("channels:\n- {name: canary, kind: apprise}", "'canary' is built in"),
        ("networks: [10.0.0.0/33]", "networks: a list does not fit, '10.0.0.0/33'"),
        ("routes:\n- {name: a, channels: [x], match: {severities: [urgent]}}",
         "routes[0].match.severities[0]: urgent does not fit, input should be 'low'"),
        ("advice:\n- {match: {}, text: x, telephones: [{name: a, number: call me}]}",
         "advice[0].telephones[0].number: call me does not fit"),
        ("advice:\n- {match: {}, text: ' '}", "advice[0].text: it has 0 characters; write 1 to"),
        ('advice:\n- {match: {}, text: "a\\x07b"}', "advice[0].text: it holds a control character"),
        # what does not fit together
        (changed(channels=[DESK, PHONE, DESK]),
         "channels[2]: another one is called 'command-desk' too"),
        (changed(routes=SMALL["routes"] * 2), "routes[1]: another one is called 'all' too"),
        (changed(sites=[*SMALL["sites"], {"name": "b", "cameras": ["x", "quay"]}]),
         "sites[1].cameras[1]: 'quay' is in site 'port' too; remove it from one"),
        (routes(channels=["comand-desk"]),
         "routes[0].channels[0]: there is no channel 'comand-desk', did you mean 'command-desk'?"),
        (routes(escalate=[{"after_min": 5, "channels": ["chief"]}]),
         "routes[0].escalate[0].channels[0]: there is no channel 'chief'; add it to 'channels'"),
        (changed(alarm="chief"), "alarm: there is no channel 'chief'"),
        (changed(alarm="duty-phone", channels=[DESK, {**PHONE, "enabled": False}]),
         "alarm: the channel 'duty-phone' is switched off"),
        (routes(match={"sites": ["prot"]}),
         "routes[0].match.sites[0]: there is no site 'prot', did you mean 'port'?"),
        (changed(advice=[{"match": {"sites": ["x"]}, "text": "t"}]),
         "advice[0].match.sites[0]: there is no site 'x'; add it to 'sites'"),
        (changed(inhibitions=[{"name": "i", "source": {}, "target": {}, "same": "camera"}]),
         "inhibitions[0].source: it names no kind"),
        (routes(schedule={"days": "mon-fri", "from": "22:00"}),
         "routes[0].schedule: 'from' is given without 'to'"),
        (routes(schedule={"days": "moon"}), "routes[0].schedule.days: unknown day 'moon'"),
        (changed(channels=[{"name": f"c{i}", "kind": "apprise"} for i in range(101)], routes=[]),
         "channels[100]: there are at most 100 channels"),
        # addresses
        (changed(channels=[{**DESK, "url": "ftp://desk.example"}]), "url: it is no address"),
        (changed(channels=[{**DESK, "url": "https://"}]), "url: it is no address"),
        (changed(channels=[{**DESK, "url": "https://[::1"}]), "url: it is no address"),
        (changed(channels=[{**DESK, "url": "https://a:b@desk.example/"}]), "no login and no '#'"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, document: Any, said: str) -> None:
    write_secrets(tmp_path)
    assert said in refused(tmp_path, document)


@pytest.mark.parametrize(
    ("secrets", "mode", "said"),
    [
        (SECRETS, 0o640, "others on this machine may read the secrets (mode 0640): run 'chmod 600"),
        ({"duty-phone": {"url": OPENS}}, 0o600,
         "alerting.yaml:3: channels[0]: 'command-desk' has no 'secret' in the file of secrets"),
        ({"command-desk": {"secret": SIGNING}}, 0o600,
         "'duty-phone' has no 'url' in the file of secrets; add it there under this name"),
        ({"command-desk": {"url": OPENS}}, 0o600, "has no 'secret'"),
        ({"command-desk": {"secret": SIGNING, "url": OPENS}}, 0o600, "either a 'url' or a"),
        ({"command-desk": {}}, 0o600, "either a 'url' or a 'secret'"),
        ({"command-desk": {"password": OPENS}}, 0o600, "secrets.yaml:2: command-desk: unknown"),
        ({"command-desk": {"secret": "fake-password"}}, 0o600, "it is no signing secret; write"),
        ({"command-desk": {"secret": SIGNING[:-9]}}, 0o600, "it is no signing secret"),
        ({"command-desk": {"secret": SIGNING + "%"}}, 0o600, "it is no signing secret"),
        ({"duty-phone": {"url": OPENS + "\n"}}, 0o600, "write it in one line"),
        ({"duty-phone": {"url": ""}}, 0o600, "write it in one line"),
        ({"duty-phone": OPENS}, 0o600, "expected a mapping of fields, found plain text"),
        ("duty-phone: {url: 'fake-password", 0o600, "not valid YAML"),
    ],
)  # fmt: skip
def test_secrets_that_are_refused(tmp_path: Path, secrets: Any, mode: int, said: str) -> None:
    write_secrets(tmp_path, secrets, mode)
    text = refused(tmp_path, SMALL)
    assert said in text
    for part in ("fake-password", "json:", SIGNING[6:20]):
        assert part not in text


def test_a_file_of_secrets_that_is_not_there(tmp_path: Path) -> None:
    assert "secrets.yaml: there is no such file of secrets: make it" in refused(tmp_path, SMALL)
    assert "has no 'secret'" in refused(tmp_path, {"channels": [DESK]})


def test_what_opens_a_channel_is_not_shown(tmp_path: Path) -> None:
    found = load_secrets(write_secrets(tmp_path))
    assert found["duty-phone"] == ChannelSecret(url=OPENS)
    assert found["command-desk"].secret == SIGNING
    assert repr(found["duty-phone"]) == str(found["command-desk"]) == "ChannelSecret()"


def test_every_problem_of_settings_is_said() -> None:
    match = Matcher(sites=("x",))
    broken = Alerting.model_validate(
        {"routes": [{"name": "a", "channels": ["x"], "match": match.model_dump()}], "alarm": "y"}
    )
    places = [place for place, _ in problems(broken)]
    assert places == [
        ("routes", 0, "channels", 0), ("alarm",), ("alarm",), ("routes", 0, "match", "sites", 0),
    ]  # fmt: skip

"""Addresses: what is one, what is none, and where one may lie."""

from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.address import (
    DEFAULT_NETWORKS,
    RtspAddress,
    UnusableAddressError,
    parse_address,
    resolve_address,
)
from streams.health import Code
from vision.errors import CameraError


@pytest.mark.parametrize(
    ("text", "secure", "host", "port", "path"),
    [
        ("rtsp://10.0.0.5/stream", False, "10.0.0.5", 554, "/stream"),
        ("rtsps://cam-1.example/a/b?x=1&y=2", True, "cam-1.example", 322, "/a/b?x=1&y=2"),
        ("rtsp://10.0.0.5:8554", False, "10.0.0.5", 8554, "/"),
        ("rtsp://10.0.0.5?channel=1", False, "10.0.0.5", 554, "/?channel=1"),
        ("rtsp://[fd00::5]:8554/x", False, "fd00::5", 8554, "/x"),
        ("RTSP://HOST/X", False, "host", 554, "/X"),
        ("rtsp://10.0.0.5/a%20b@c", False, "10.0.0.5", 554, "/a%20b@c"),
    ],
)
def test_what_an_address_says(text: str, secure: bool, host: str, port: int, path: str) -> None:
    address = parse_address(text)
    assert address == RtspAddress(secure, host, port, path)
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10.0.0.5",
        "http://10.0.0.5/",
        "file:///etc/passwd",
        "concat:rtsp://10.0.0.5/|b",
        "rtsp:/10.0.0.5/",
        "rtsp:///stream",
        "rtsp://:554/x",
        "rtsp://10.0.0.5:0/",
        "rtsp://10.0.0.5:65536/",
        "rtsp://10.0.0.5:x/",
        "rtsp://10.0.0.5/#part",
        "rtsp://10.0.0.5/a b",
        "rtsp://10.0.0.5/a\nb",
        "rtsp://10.0.0.5/\x00",
        "rtsp://[fd00::5/x",
        "rtsp://hôte/x",
        "rtsp://10.0.0.5/" + "a" * 2000,
        " rtsp://10.0.0.5/",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(CameraError) as caught:
        parse_address(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "login", ["user:canary7", "canary7", "user:can:canary7", "user:canary7%40"]
)
def test_a_login_in_an_address_is_refused_and_not_repeated(login: str) -> None:
    with pytest.raises(CameraError) as caught:
        parse_address(f"rtsp://{login}@10.0.0.5/x")
    assert "credentials file" in str(caught.value)
    assert "canary7" not in repr(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for candidate in (text, f"rtsp://{text}", f"rtsp://10.0.0.5/{text}"):
        try:
            address = parse_address(candidate)
        except CameraError:
            continue
        assert parse_address(str(address)) == address


def resolve(host: str, *networks: str) -> str:
    allowed = tuple(ip_network(text) for text in networks) or DEFAULT_NETWORKS
    return ",".join(map(str, resolve_address(RtspAddress(False, host, 554, "/"), allowed)))


@pytest.mark.parametrize("host", ["10.1.2.3", "172.16.0.1", "192.168.255.1", "fd12::1"])
def test_private_networks_are_allowed(host: str) -> None:
    assert resolve(host) == host


@pytest.mark.parametrize(
    "host",
    [
        "8.8.8.8",
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0.0.0.0",  # noqa: S104
        "169.254.169.254",
        "224.0.0.1",
        "172.32.0.1",
        "::1",
        "::",
        "fe80::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
    ],
)
def test_everything_else_is_refused(host: str) -> None:
    with pytest.raises(UnusableAddressError) as caught:
        resolve(host)
    assert caught.value.code is Code.ADDRESS_REFUSED


def test_listed_networks_are_allowed() -> None:
    assert resolve("127.0.0.1", "127.0.0.0/8") == "127.0.0.1"
    assert resolve("::ffff:10.0.0.5") == "10.0.0.5"
    with pytest.raises(UnusableAddressError):
        resolve("10.0.0.5", "127.0.0.0/8")


def answers(monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
    def getaddrinfo(_host: str, port: int, **_: Any) -> list[Any]:
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [
            (
                socket.AF_INET6 if ":" in ip else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (ip, port),
            )
            for ip in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_one_address_outside_refuses_the_whole_name(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "10.0.0.6", "fd00::5", "10.0.0.6", "10.0.0.5", "::ffff:10.0.0.5")
    assert resolve("cam") == "10.0.0.6,fd00::5,10.0.0.5"
    answers(monkeypatch, "10.0.0.5", "127.0.0.1")
    with pytest.raises(UnusableAddressError, match=r"\(127\.0\.0\.1\)") as caught:
        resolve("cam")
    assert caught.value.code is Code.ADDRESS_REFUSED


def test_an_unknown_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch)
    with pytest.raises(UnusableAddressError) as caught:
        resolve("cam")
    assert caught.value.code is Code.UNRESOLVED


def test_a_name_that_no_resolver_takes_is_unknown() -> None:
    with pytest.raises(UnusableAddressError) as caught:
        resolve("a" * 300)
    assert caught.value.code is Code.UNRESOLVED


def test_a_scope_is_no_part_of_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "fd00::5%eth0")
    assert resolve("cam") == str(ip_address("fd00::5"))

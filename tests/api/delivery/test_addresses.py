"""Nothing is sent into networks that nobody listed, however an address is written."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from api.delivery.addresses import (
    RefusedAddressError,
    is_public,
    look_up,
    networks_of,
    parse_url,
    target_of,
)
from tests.api.delivery.receiver import LOOPBACK

PUBLIC = "93.184.215.14"


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "0.0.0.0",  # noqa: S104
        "0.1.2.3", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "192.0.2.1", "198.18.0.1", "::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "::ffff:169.254.169.254", "fe80::1", "fc00::1", "fd12::1", "fec0::1", "ff02::1",
        "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "2002:a00:1::1", "2001:0:1::1", "2001:db8::1", "fe80::1%eth0",
    ],
)  # fmt: skip
def test_what_is_not_public_is_refused(ip: str) -> None:
    url = parse_url("https://receiver.test/alerts")
    with pytest.raises(RefusedAddressError, match="not public"):
        target_of(url, (), lambda _host, _port: [ip])
    with pytest.raises(RefusedAddressError, match="not public"):
        target_of(url, (), lambda _host, _port: [PUBLIC, ip])


@pytest.mark.parametrize(
    "ip", [PUBLIC, "1.1.1.1", "2606:4700::1111", "64:ff9b::5db8:d70e", "2002:5db8:d70e::1"]
)
def test_what_is_public_is_allowed(ip: str) -> None:
    assert is_public(ip_address(ip))
    target = target_of(parse_url("https://receiver.test/x"), (), lambda _host, _port: [ip, ip])
    assert [str(each) for each in target.ips] == [str(ip_address(ip))]


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://[::1]/", "https://0x7f.1/", "https://2130706433/",
        "https://017700000001/", "https://[::ffff:7f00:1]/", "https://localhost/",
        "https://169.254.169.254/latest/meta-data",
    ],
)  # fmt: skip
def test_loopback_is_refused_however_it_is_written(url: str) -> None:
    with pytest.raises((RefusedAddressError, OSError)):
        target_of(parse_url(url), (), look_up)


def test_listed_networks_are_allowed_and_need_no_https() -> None:
    url = parse_url("http://127.0.0.1:8080/alerts")
    assert [str(ip) for ip in target_of(url, LOOPBACK).ips] == ["127.0.0.1"]
    with pytest.raises(RefusedAddressError, match="not public"):
        target_of(parse_url("http://10.0.0.1/"), LOOPBACK)
    with pytest.raises(RefusedAddressError, match="not public"):
        target_of(parse_url("http://127.0.0.1/"), networks_of(["10.0.0.0/8"]))


def test_elsewhere_https_is_asked_for() -> None:
    with pytest.raises(RefusedAddressError, match="https"):
        target_of(parse_url("http://receiver.test/"), LOOPBACK, lambda _host, _port: [PUBLIC])
    with pytest.raises(RefusedAddressError, match="https"):
        target_of(
            parse_url("http://receiver.test/"),
            LOOPBACK,
            lambda _host, _port: ["127.0.0.1", PUBLIC],
        )


def test_a_name_that_is_not_known_is_no_refusal() -> None:
    with pytest.raises(OSError):  # noqa: PT011
        target_of(parse_url("https://receiver.test/"), (), lambda _host, _port: [])
    with pytest.raises(OSError):  # noqa: PT011
        look_up("a" * 70 + ".test", 443)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/", "file:///etc/passwd", "https://", "https:///x", "host/path", "",
        "https://user:pw-not-real@host/", "https://host/#part", "https://host/\n",
        "https://host:99999/", "gopher://host/", "https://" + "a" * 3000,
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_webhook_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(RefusedAddressError) as refused:
        parse_url(url)
    assert "pw-not-real" not in str(refused.value)

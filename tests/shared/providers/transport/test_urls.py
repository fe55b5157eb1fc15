"""No address a user types leads into our own network."""

import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Refused
from shared.providers.transport.urls import check_media_url, check_public_url, is_public


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Names resolve to what the test says; nothing is asked of the network."""

    def resolve_to(*addresses: str) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 0)) for a in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    return resolve_to


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "0.0.0.0", "169.254.169.254",
        "100.64.0.1", "100.100.100.200", "168.63.129.16", "224.0.0.1", "255.255.255.255",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "not an address", "",
        "64:ff9b:1::8.8.8.8", "64:ff9b:1:ffff::1", "fec0::1", "feff::1", "::8.8.8.8", "::10.0.0.1",
        "::ffff:0:8.8.8.8", "::ffff:0:10.0.0.1", "5f00::1", "2002:808:808::1", "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "3fff::1", "100::1", "4000::1",
        "e000::1", "192.0.0.8", "192.88.99.1", "198.18.0.1", "240.0.0.1",
    ],
)  # fmt: skip
def test_private_and_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2a00:1450:4001::1"],
)
def test_addresses_on_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/x", "file:///etc/passwd", "//example.org", "example.org", "",
        "https://", "https://user:secret@example.org/", "https://user@example.org/",
        "https://example.org\\@127.0.0.1/", "https://exa mple.org/", "https://example.org/\n",
        "https://example.org:99999/", "https://example.org:0/", "https://[::1/", "https://a..b/",
        "https://127.0.0.1%2f@example.org/", "https://ex%61mple.org/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("allow_private", [False, True])
def test_what_is_not_a_plain_web_address_is_refused_even_on_a_bench(
    resolves: Callable[..., Any], url: str, allow_private: bool
) -> None:
    resolves("8.8.8.8")

    with pytest.raises(Refused) as refusal:
        check_public_url(url, allow_private=allow_private)

    assert "secret" not in str(refusal.value)


def test_a_name_with_one_private_address_among_its_public_ones_is_refused(
    resolves: Callable[..., Any],
) -> None:
    resolves("8.8.8.8", "10.0.0.1")

    with pytest.raises(Refused, match=r"10\.0\.0\.1, which is not a public address"):
        check_public_url("https://rebind.example.org/hook")


def test_a_public_name_is_given_back_as_it_was(resolves: Callable[..., Any]) -> None:
    resolves("8.8.8.8")

    assert check_public_url("https://example.org/hook?a=1") == "https://example.org/hook?a=1"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/", "http://[::1]:8080/", "http://１２７.0.0.1/"],
)  # fmt: skip
def test_loopback_in_any_spelling_is_refused_unless_a_bench_allows_it(url: str) -> None:
    with pytest.raises(Refused):
        check_public_url(url)

    assert check_public_url(url, allow_private=True) == url


def test_a_name_that_does_not_resolve_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fails)

    with pytest.raises(Refused, match="cannot be resolved"):
        check_public_url("https://nowhere.example.org/")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.jpg", "https://8.8.8.8/a.jpg", "https://[2606:4700::1111]/a.jpg",
        "https://2130706433/a.jpg", "https://0x7f.1/a.jpg", "https://1.2.3.0x4/a.jpg",
        "https://localhost/a.jpg", "https://intranet/a.jpg", "https://db.internal/a.jpg",
        "https://nas.local/a.jpg", "https://x.home.arpa/a.jpg", "https://db.internal./a.jpg",
        "https://user@example.org/a.jpg", "https://１２７。０。０。１/a.jpg",
    ],
)  # fmt: skip
def test_media_must_be_https_on_a_public_name(url: str) -> None:
    with pytest.raises(Refused):
        check_media_url(url)


def test_media_on_a_public_name_passes_without_being_resolved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("it was resolved"))

    assert check_media_url("https://cdn.example.org/a.jpg") == "https://cdn.example.org/a.jpg"


@given(st.text(max_size=60))
def test_no_text_at_all_makes_the_check_fail_otherwise_than_by_refusing(text: str) -> None:
    try:
        checked = check_media_url("https://" + text)
    except Refused:
        return
    assert checked == "https://" + text

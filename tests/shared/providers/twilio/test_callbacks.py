"""Callbacks from Twilio: only genuine ones are believed, and each is read as it was meant."""

import json
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from time import process_time
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from shared.providers.base import Forged
from shared.providers.twilio.callbacks import (
    STATUSES,
    account_of,
    parse,
    status_callback_url,
    verify,
)

TOKEN = "0123456789abcdef0123456789abcdef"
FORM = "application/x-www-form-urlencoded"
URL = "https://sms.example.org/webhooks/twilio/status?m=7&p=0&a=" + "ab" * 16
ACCOUNT = "AC" + "1" * 32
DELIVERED = {
    "AccountSid": ACCOUNT, "From": "+15557654321", "To": "+15551234567", "ApiVersion": "2010-04-01",
    "MessageSid": "SM" + "2" * 32, "SmsSid": "SM" + "2" * 32, "MessageStatus": "delivered",
    "SmsStatus": "delivered", "RawDlrDoneDate": "2611201524",
}  # fmt: skip


class Multi(list[tuple[str, str]]):
    """What frameworks hand to the SDK's validator: names may repeat."""

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]
        return iter([name for name, _ in super().__iter__()])

    def getlist(self, name: str) -> list[str]:
        return [value for n, value in list.__iter__(self) if n == name]


def signed(
    url: str,
    pairs: Iterable[tuple[str, str]],
    *,
    token: str = TOKEN,
    **headers: object,
) -> dict[str, str]:
    made = RequestValidator(token).compute_signature(url, Multi(pairs))
    return {"content-type": FORM, "x-twilio-signature": made, **headers}


def form(params: dict[str, str]) -> bytes:
    return urlencode(params).encode()


def test_a_genuine_callback_is_believed() -> None:
    body = form(DELIVERED)

    params = verify(URL, signed(URL, DELIVERED.items()), body=body, tokens=[TOKEN])

    assert params == DELIVERED


def test_after_a_rotation_both_tokens_are_believed_and_no_third() -> None:
    headers = signed(URL, DELIVERED.items())

    assert verify(URL, headers, body=form(DELIVERED), tokens=["newer", TOKEN]) == DELIVERED
    with pytest.raises(Forged):
        verify(URL, headers, body=form(DELIVERED), tokens=["newer", "newest"])
    with pytest.raises(Forged):
        verify(URL, headers, body=form(DELIVERED), tokens=[])


@pytest.mark.parametrize("change", [
    lambda u, h, b: (u.replace("m=7", "m=8"), h, b),
    lambda u, h, b: (u.replace("m=7&p=0", "p=0&m=7"), h, b),
    lambda u, h, b: (u.replace("sms.", "evil."), h, b),
    lambda u, h, b: (u, h, b.replace(b"delivered", b"failed")),
    lambda u, h, b: (u, h, b + b"&Extra=1"),
    lambda u, h, b: (u, {**h, "x-twilio-signature": ""}, b),
    lambda u, h, b: (u, {**h, "x-twilio-signature": "ü\udcff"}, b),
    lambda u, h, b: (u, {"content-type": FORM}, b),
    lambda u, h, b: (u, {**h, "content-type": "application/json"}, b),
    lambda u, h, b: (u, {**h, "content-type": "text/plain"}, b),
    lambda u, h, b: (u, h, b"\xff\xfe" + b),
    lambda u, h, b: (u, {**h, "x-twilio-webhooks-signature-settings": "algorithm=MD5"}, b),
])  # fmt: skip
def test_a_callback_that_was_changed_in_any_way_is_forged(change: Callable[..., Any]) -> None:
    url, headers, body = change(URL, signed(URL, DELIVERED.items()), form(DELIVERED))

    with pytest.raises(Forged):
        verify(url, headers, body=body, tokens=[TOKEN])


def test_the_fragment_with_our_wish_for_retries_is_not_signed() -> None:
    headers = signed(URL, DELIVERED.items())

    assert verify(URL + "#rc=3&rp=ct,rt,5xx", headers, body=form(DELIVERED), tokens=[TOKEN])


@pytest.mark.parametrize(("signs", "sees"), [
    ("https://sms.example.org:443/x", "https://sms.example.org/x"),
    ("https://sms.example.org/x", "https://sms.example.org:443/x"),
    ("http://sms.example.org:8080/x", "http://sms.example.org:8080/x"),
    ("http://sms.example.org/x", "http://sms.example.org:8080/x"),
    ("http://[::1]/x", "http://[::1]:8080/x"),
    ("http://[::1]:80/x", "http://[::1]/x"),
])  # fmt: skip
def test_it_does_not_matter_whether_twilio_signed_the_port(signs: str, sees: str) -> None:
    headers = signed(signs, DELIVERED.items())

    assert verify(sees, headers, body=form(DELIVERED), tokens=[TOKEN]) == DELIVERED


def test_a_json_callback_is_believed_by_the_hash_of_its_body() -> None:
    body = json.dumps({"AccountSid": ACCOUNT, "n": 1, "none": None}).encode()
    url = f"{URL}&bodySHA256={sha256(body).hexdigest()}"
    headers = signed(url, ()) | {"content-type": "application/json; charset=utf-8"}

    assert verify(url, headers, body=body, tokens=[TOKEN]) == {"AccountSid": ACCOUNT, "n": "1"}
    with pytest.raises(Forged):
        verify(url, headers, body=body + b" ", tokens=[TOKEN])


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b"null"])
def test_json_that_is_no_callback_is_forged_and_never_an_error(body: bytes) -> None:
    url = f"{URL}&bodySHA256={sha256(body).hexdigest()}"
    headers = signed(url, ()) | {"content-type": "application/json"}

    with pytest.raises(Forged):
        verify(url, headers, body=body, tokens=[TOKEN])


def test_json_without_a_hash_is_forged_though_the_address_is_signed() -> None:
    headers = signed(URL, ()) | {"content-type": "application/json"}

    with pytest.raises(Forged):
        verify(URL, headers, body=b'{"AccountSid": "AC1"}', tokens=[TOKEN])


def test_a_shared_key_signs_with_sha256_when_it_says_so() -> None:
    made = RequestValidator(TOKEN).compute_signature(URL, DELIVERED, "HMAC_SHA256")
    headers = {
        "content-type": FORM,
        "x-twilio-signature": made,
        "x-twilio-webhooks-signature-settings": "key=k1,algorithm=HMAC_SHA256",
    }

    assert verify(URL, headers, body=form(DELIVERED), tokens=[TOKEN]) == DELIVERED


names = st.text(min_size=1, max_size=8).filter(lambda name: name != "AccountSid")
texts = st.text(max_size=12)
hosts = st.sampled_from(["sms.example.org", "sms.example.org:443", "h:80", "10.0.0.1:8080"])
urls = st.builds(
    lambda scheme, host, query: f"{scheme}://{host}/webhooks/twilio/status?{query}",
    st.sampled_from(["http", "https"]), hosts, st.text("abm=&%20+;:/?@-", min_size=1, max_size=20),
)  # fmt: skip


@given(urls, st.lists(st.tuples(names, texts), max_size=6), st.booleans(), texts)
def test_it_agrees_with_the_sdk_on_every_form(
    url: str, pairs: list[tuple[str, str]], genuine: bool, noise: str
) -> None:
    body = urlencode([(n.encode("utf-8", "replace"), v.encode("utf-8", "replace"))
                      for n, v in pairs]).encode()  # fmt: skip
    pairs = [(n.encode("utf-8", "replace").decode(), v.encode("utf-8", "replace").decode())
             for n, v in pairs]  # fmt: skip
    validator = RequestValidator(TOKEN)
    signature = validator.compute_signature(url, Multi(pairs)) if genuine else noise
    headers = {"Content-Type": FORM, "X-Twilio-Signature": signature}

    try:
        ours = verify(url, headers, body=body, tokens=[TOKEN]) == dict(pairs)
    except Forged:
        ours = False

    assert ours == validator.validate(url, Multi(pairs), signature)


@given(st.binary(max_size=80), st.text(max_size=40), st.sampled_from([FORM, "application/json"]))
def test_no_request_at_all_fails_otherwise_than_as_forged(
    body: bytes, signature: str, kind: str
) -> None:
    headers = {"content-type": kind, "x-twilio-signature": signature}

    with pytest.raises(Forged):
        verify(URL, headers, body=body, tokens=[TOKEN])


def test_the_account_is_named_before_it_is_believed() -> None:
    as_json = json.dumps(DELIVERED).encode()

    assert account_of({"content-type": FORM}, form(DELIVERED)) == ACCOUNT
    assert account_of({"content-type": "application/json"}, as_json) == ACCOUNT
    with pytest.raises(Forged):
        account_of({"content-type": FORM}, b"MessageSid=SM1")
    with pytest.raises(Forged):
        account_of({"content-type": "application/json"}, b"{}")


@pytest.mark.parametrize("hidden", ["AccountSid", "Account%53id", "%41ccountSid"])
def test_one_tenant_cannot_sign_a_callback_for_anothers_account(hidden: str) -> None:
    theirs = "AC" + "9" * 32
    body = f"AccountSid={ACCOUNT}&{hidden}={theirs}".encode()
    headers = signed(URL, [("AccountSid", ACCOUNT), ("AccountSid", theirs)])

    with pytest.raises(Forged):
        verify(URL, headers, body=body, tokens=[TOKEN])


def test_a_receipt_finds_its_way_home_by_our_own_address() -> None:
    token = UUID("0123456789abcdef0123456789abcdef")
    url = status_callback_url("https://sms.example.org", message_id=7, part=2, token=token)

    receipt = parse(url.partition("?")[2].partition("#")[0], DELIVERED, raw="as it came")

    assert url.startswith("https://sms.example.org/webhooks/twilio/status?m=7&p=2&a=0123456789ab")
    assert url.endswith("#rc=3&rp=ct,rt,5xx")
    assert (receipt.message_id, receipt.part, receipt.token) == (7, 2, token)
    assert (receipt.account, receipt.sid) == (ACCOUNT, DELIVERED["MessageSid"])
    assert (receipt.status, receipt.provider_status, receipt.error_code) == (
        "delivered", "delivered", None,
    )  # fmt: skip
    assert receipt.raw == "as it came"


@pytest.mark.parametrize(
    "query", ["", "m=x&p=-1&a=zz", "m=1e9&p=&a=" + "0" * 31, "m=" + "9" * 40, "m=٣"]
)
def test_what_is_not_our_address_is_read_as_nothing(query: str) -> None:
    receipt = parse(query, {"MessageStatus": "failed", "ErrorCode": "30008"})

    assert (receipt.message_id, receipt.token) == (None, None)
    assert (receipt.status, receipt.error_code) == ("failed", 30008)


def test_every_outbound_status_of_twilio_has_a_word_of_ours() -> None:
    outbound = {
        "queued", "accepted", "scheduled", "sending", "sent", "partially_delivered", "delivered",
        "read", "undelivered", "failed", "canceled",
    }  # fmt: skip

    assert set(STATUSES) == outbound
    assert STATUSES["canceled"] == "cancelled"
    assert parse("", {"MessageStatus": "teleported"}).status is None


@pytest.mark.bench
def test_it_verifies_faster_than_the_sdk() -> None:
    from urllib.parse import parse_qsl

    headers, body = signed(URL, DELIVERED.items()), form(DELIVERED)
    validator = RequestValidator(TOKEN)

    def theirs() -> None:
        params = dict(parse_qsl(body.decode(), keep_blank_values=True))
        assert validator.validate(URL, params, headers["x-twilio-signature"])

    def ours() -> None:
        verify(URL, headers, body=body, tokens=[TOKEN])

    ratio = min(_cpu(theirs) for _ in range(5)) / min(_cpu(ours) for _ in range(5))
    print(f"verify: {ratio:.1f} times less CPU than the SDK")

    assert ratio > 1.5


def _cpu(work: Any, rounds: int = 2000) -> Any:
    start = process_time()
    for _ in range(rounds):
        work()
    return process_time() - start

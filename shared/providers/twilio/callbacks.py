"""Verify and read Twilio's callbacks.

The signature is Twilio's scheme: base64(HMAC-SHA1(token, URL + sorted names and values)). It
contains no time, so a genuine callback can be replayed for ever. The ledger's rules, the attempt's
token and TLS protect against that, not this file. The URL is built from VOLLEY_PUBLIC_URL and the
raw query string, byte for byte, never from a request's Host.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qs, unquote_plus, urlsplit
from uuid import UUID

from shared.providers.base import Forged, Receipt

STATUSES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "queued": "accepted",
        "accepted": "accepted",
        "scheduled": "accepted",
        "sending": "accepted",
        "sent": "sent",
        "partially_delivered": "sent",  # some recipients of a group have it: not final
        "delivered": "delivered",
        "read": "delivered",  # WhatsApp and RCS; for us the same as delivered
        "undelivered": "undelivered",
        "failed": "failed",
        "canceled": "cancelled",  # one l at Twilio, two in ours
    }
)
"""Twilio's words for an outbound message, and ours."""

RETRIES: Final = "#rc=3&rp=ct,rt,5xx"
"""By default Twilio repeats a callback only when it could not connect: a 5xx would lose it."""

_ALGORITHMS: Final = MappingProxyType({"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"})
# It begins with a literal word and looks back from there: `re` searches that fast.
_ACCOUNT: Final = re.compile(rb"AccountSid=(?<![^&]AccountSid=)([A-Za-z0-9]+)(?![^&])")
_PORTS: Final = MappingProxyType({"https": 443, "http": 80})


def status_callback_url(public_url: str, *, message_id: int, part: int, token: UUID) -> str:
    """The address for one attempt's callbacks. Its fragment tells Twilio when to retry."""
    query = f"m={message_id}&p={part}&a={token.hex}"
    return f"{public_url}/webhooks/twilio/status?{query}{RETRIES}"


def account_of(headers: Mapping[str, str], body: bytes) -> str:
    """The AccountSid in a callback; not proved before `verify`. Raises Forged without one."""
    if _kind(headers) == "application/json":
        account = _json(body).get("AccountSid", "")
    else:
        found = _ACCOUNT.search(body)
        account = found[1].decode() if found else ""
    if not account:
        raise Forged("The callback names no account.")
    return account


def verify(
    url: str, headers: Mapping[str, str], *, body: bytes, tokens: Sequence[str]
) -> dict[str, str]:
    """The parameters of a genuine callback; the last of a repeated one. Raises Forged.

    It equals the SDK's RequestValidator: with and without port, forms, and JSON by `bodySHA256`.
    It is stricter where that accepts too much or breaks: JSON without `bodySHA256` is forged.
    """
    url = url.partition("#")[0]
    params, signed = _params(headers, body)
    if signed is None:
        _check_hash(url, body)
    algorithm = _algorithm(_header(headers, "X-Twilio-Webhooks-Signature-Settings"))
    signature = _header(headers, "X-Twilio-Signature").encode("utf-8", "replace")
    for text in _variants(url):
        message = (text + (signed or "")).encode("utf-8", "replace")
        for token in tokens:
            made = base64.b64encode(hmac.digest(token.encode(), message, algorithm))
            if hmac.compare_digest(made, signature):
                return params
    raise Forged("The signature is not Twilio's.")


def parse(query: str, params: Mapping[str, str], *, raw: str = "") -> Receipt:
    """The receipt in a verified status callback. `query` is our own; missing fields are None."""
    ours = dict(_pairs(query))
    status = params.get("MessageStatus") or params.get("SmsStatus") or ""
    return Receipt(
        provider="twilio",
        account=params.get("AccountSid", ""),
        sid=params.get("MessageSid") or params.get("SmsSid") or "",
        status=STATUSES.get(status),
        provider_status=status,
        error_code=_whole(params.get("ErrorCode")),
        message_id=_whole(ours.get("m")),
        part=_whole(ours.get("p")),
        token=_token(ours.get("a")),
        raw=raw,
    )


def _params(headers: Mapping[str, str], body: bytes) -> tuple[dict[str, str], str | None]:
    """The parameters, and the signed text of them; None for JSON, which is hashed instead."""
    kind = _kind(headers)
    if kind == "application/json":
        return _json(body), None
    if kind not in {"application/x-www-form-urlencoded", ""} or (body and not kind):
        raise Forged("The callback is neither a form nor JSON.")
    pairs = _form(body)
    params = dict(pairs)
    if len(params) < len(pairs) and [name for name, _ in pairs].count("AccountSid") > 1:
        raise Forged("The callback names two accounts.")  # one may be another account
    return params, "".join([name + value for name, value in sorted(set(pairs))])


def _kind(headers: Mapping[str, str]) -> str:
    return _header(headers, "Content-Type").partition(";")[0].strip().lower()


def _form(body: bytes) -> list[tuple[str, str]]:
    """Names and values, as parse_qsl(keep_blank_values=True) reads them, in half the time."""
    try:
        text = body.decode("ascii")
    except UnicodeDecodeError:
        raise Forged("The callback's form is not ASCII.") from None
    return _pairs(text)


def _pairs(text: str) -> list[tuple[str, str]]:
    plain = "+" not in text and text.count("%") == text.count("%2B")  # phone numbers at most
    if plain:
        text = text.replace("%2B", "+")
    split = [piece.partition("=") for piece in text.split("&") if piece]
    if plain:
        return [(name, value) for name, _, value in split]
    return [(_plain(name), _plain(value)) for name, _, value in split]


def _plain(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text


def _json(body: bytes) -> dict[str, str]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise Forged("The callback's JSON cannot be read.") from None
    if not isinstance(said, dict):
        raise Forged("The callback's JSON is not an object.")
    return {name: str(value) for name, value in said.items() if value is not None}


def _check_hash(url: str, body: bytes) -> None:
    stated = parse_qs(url.partition("?")[2]).get("bodySHA256", [""])[0]
    made = hashlib.sha256(body).hexdigest()
    if not hmac.compare_digest(made.encode(), stated.encode("utf-8", "replace")):
        raise Forged("The callback's body is not the one that was signed.")


def _algorithm(settings: str) -> str:
    """From `key=…,algorithm=HMAC_SHA256`; without it SHA-1, the scheme of auth tokens."""
    for piece in settings.split(",") if settings else ():
        name, _, value = piece.partition("=")
        if name.strip() == "algorithm" and value.strip():
            if value.strip().upper() not in _ALGORITHMS:
                raise Forged("The callback is signed with an algorithm we do not know.")
            return _ALGORITHMS[value.strip().upper()]
    return "sha1"


def _variants(url: str) -> Iterable[str]:
    """The URL with and without its port: Twilio's servers differ in which one they sign."""
    scheme, slashes, rest = url.partition("://")
    netloc = rest.partition("/")[0].partition("?")[0]
    tail = rest[len(netloc) :]
    return [scheme + slashes + place + tail for place in _places(scheme, netloc)]


@lru_cache(maxsize=64)
def _places(scheme: str, netloc: str) -> tuple[str, ...]:
    try:
        port = urlsplit(f"//{netloc}").port
    except ValueError:
        return (netloc,)
    if port:
        return (netloc, netloc.removesuffix(f":{port}"))
    return (netloc, f"{netloc}:{_PORTS.get(scheme.lower(), 80)}")


def _header(headers: Mapping[str, str], name: str) -> str:
    # ASGI's headers are lower case; a framework's ignore case; a plain dict has one of the two.
    return headers.get(name.lower()) or headers.get(name) or ""


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None


def _token(text: str | None) -> UUID | None:
    try:
        return UUID(hex=text) if text else None
    except ValueError:
        return None

"""What our routes read from a request: ids, pages, and texts that can be stored."""

from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar

import orjson
from fastapi import Depends, Query, Request

from shared.errors import Refused
from shared.views.fields import told

T = TypeVar("T")

_MOST: Final = {"campaign": (1 << 31) - 1, "key": (1 << 31) - 1, "message": (1 << 63) - 1}


def whole(text: str, kind: str) -> int:
    """The number of a campaign, a message or a key in an address.

    Raises Refused 404 <kind>_not_found: an id that cannot exist is an id that does not exist.
    """
    if text.isascii() and text.isdecimal() and len(text) < 20 and 0 < int(text) <= _MOST[kind]:
        return int(text)
    raise Refused(f"{kind}_not_found", f"There is no {kind} {text[:30]!r}.")


def _campaign_id(campaign_id: str) -> int:
    return whole(campaign_id, "campaign")


def _message_id(message_id: str) -> int:
    return whole(message_id, "message")


def _key_id(key_id: str) -> int:
    return whole(key_id, "key")


CampaignId = Annotated[int, Depends(_campaign_id)]
MessageId = Annotated[int, Depends(_message_id)]
KeyId = Annotated[int, Depends(_key_id)]

Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
AfterNumber = Annotated[
    int | None,
    Query(ge=0, lt=1 << 63, description="Go on behind the entry with this id."),
]
AfterText = Annotated[
    str, Query(max_length=100, pattern=r"^[^\x00]*$", description="Go on behind this one.")
]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some entries of a list."""

    data: list[T]
    has_more: Annotated[bool, told("Whether others follow: ask again with `after`.", False)]


def paged(found: list[T], limit: int) -> Page[T]:
    """A page of one more entry than was asked for."""
    return Page(found[:limit], len(found) > limit)


async def refuse_odd_text(request: Request) -> None:
    """Raises Refused 422 for a JSON body with what Postgres cannot store: NUL, half a character.

    And 415 for a body that is no JSON. A dependency of all our JSON routes, so that no route has to
    think of it.
    """
    body = await request.body()
    if not body:
        return
    if "json" not in request.headers.get("content-type", "").casefold():
        raise Refused(
            "unsupported_media_type",
            "Send JSON, with 'Content-Type: application/json'.",
        )
    strict_json(body)


def strict_json(text: bytes | str, *, called: str = "The body") -> Any:
    """The document in `text`. Raises Refused 422 invalid_json, invalid_text."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Refused("invalid_json", f"{called} is not JSON: {error.msg}.") from None
    if _holds_nul(document):
        raise Refused("invalid_text", f"{called} holds a NUL character. Leave it out.")
    return document


def _holds_nul(document: Any) -> bool:
    # Without recursion: a document may be nested as deep as the parser allows.
    waiting = [document]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str) and "\x00" in item:
            return True
        if isinstance(item, dict):
            waiting += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            waiting += item
    return False

"""/api/suppressions: numbers nobody may text, from the answer on."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from pydantic import Discriminator, Field, Tag

from scheduler.http.auth import Operator, Viewer
from scheduler.http.requests import AfterText, Limit, Page, paged
from scheduler.people import suppressions
from scheduler.people.suppressions import Added, NewSuppression
from shared.views.suppressions import Suppressed, Suppression

router = APIRouter(prefix="/api/suppressions", tags=["suppressions"])

_Many = Annotated[list[NewSuppression], Field(min_length=1, max_length=10_000)]


def _kind(given: Any) -> str:
    return "many" if isinstance(given, list) else "one"


_KNOWN: Final[dict[str, Any]] = {
    "description": "It was suppressed already; or, for a list, the counts.",
    "model": Suppressed | Added,
}
OneOrMany = Annotated[
    Annotated[NewSuppression, Tag("one")] | Annotated[_Many, Tag("many")], Discriminator(_kind)
]


@router.post("", status_code=201, responses={200: _KNOWN})
def add_suppression(given: OneOrMany, caller: Operator, response: Response) -> Suppressed | Added:
    """Suppress one number: 201, or 200 when it already was. Or a list of them: 200 with the counts.

    In a list, a number that cannot be read is told and does not keep the others from being kept.
    """
    if isinstance(given, list):
        response.status_code = 200
        return suppressions.add_all(given, actor=caller.actor)
    added, fresh = suppressions.add(given, actor=caller.actor)
    response.status_code = 201 if fresh else 200
    return added


@router.get("")
def list_suppressions(
    caller: Viewer, after: AfterText = "", limit: Limit = 100
) -> Page[Suppression]:
    """In the order of the numbers; `after` is the last number of the page before."""
    # A plus in a query is a blank unless the client escaped it.
    behind = f"+{after.strip()}" if after[:1] == " " else after
    return paged(suppressions.page(after=behind, limit=limit + 1), limit)


@router.delete("/{number}", status_code=204)
def remove_suppression(number: str, caller: Operator) -> Response:
    """Lift a number's suppression: the person asked to be texted again."""
    suppressions.remove(number, actor=caller.actor)
    return Response(status_code=204)

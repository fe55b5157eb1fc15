"""/api/keys and /api/audit: for admins."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from scheduler.access import audit, keys
from scheduler.access.audit import Noted
from scheduler.access.key_store import Key, NewlyMade
from scheduler.access.keys import NewKey
from scheduler.http.auth import Admin
from scheduler.http.documented_errors import CONFLICTS
from scheduler.http.requests import AfterNumber, KeyId, Limit, Page, paged

router = APIRouter(prefix="/api", tags=["admin"])


@router.post("/keys", status_code=201)
def create_key(new: NewKey, caller: Admin) -> NewlyMade:
    """Make a key. The answer shows it, this once."""
    return keys.create(new, actor=caller.actor)


@router.get("/keys")
def list_keys(caller: Admin) -> Page[Key]:
    """All keys, revoked ones too, without their secrets."""
    return Page(keys.everything(), has_more=False)


@router.delete("/keys/{key_id}", status_code=204, responses=CONFLICTS)
def revoke_key(key_id: KeyId, caller: Admin) -> Response:
    """Revoke a key: from now on it opens nothing."""
    keys.revoke(key_id, actor=caller.actor)
    return Response(status_code=204)


@router.get("/audit")
def list_audit(
    caller: Admin,
    subject: Annotated[
        str, Query(max_length=200, pattern=r"^[^\x00]*$", description="Such as campaign:7.")
    ] = "",
    after: AfterNumber = None,
    limit: Limit = 100,
) -> Page[Noted]:
    """Who did what, the newest first; `after` is the last id of the page before."""
    found = audit.page(subject=subject, before=after, limit=limit + 1)
    return paged(found, limit)

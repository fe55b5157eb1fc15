"""Who asks, and may they? One key store, three roles, four ways to send a key.

The middleware finds the caller before anything of the request is read; a route says which role it
needs. Without a key nothing under /api says whether it exists.
"""

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from scheduler.access import keys
from scheduler.access.keys import Caller, Role
from scheduler.http.errors import answer, of_database
from shared.errors import InWords, Refused

GUARDED: Final = "/api"

#: For /openapi.json and /docs; the middleware below does the work.
_SHOWN = [
    Depends(HTTPBearer(auto_error=False, scheme_name="Bearer")),
    Depends(APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="X-API-Key")),
]


class Authentication:
    """ASGI middleware: puts the Caller into the request's state, or answers 401."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _guarded(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            caller = await _caller(Headers(scope=scope))
        except InWords as error:
            await answer(error)(scope, receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)


def key_in(headers: Headers) -> str | None:
    """The key, from `Authorization: Bearer K`, `Authorization: K`, `X-Vgai-Key` or `X-API-Key`."""
    scheme, _, rest = headers.get("authorization", "").strip().partition(" ")
    bearer = rest.strip() if scheme.casefold() == "bearer" else (scheme if not rest else "")
    return bearer or headers.get("x-vgai-key") or headers.get("x-api-key") or None


def needs(role: Role) -> Callable[[Request], Caller]:
    """A dependency: the caller, who has at least this role. Raises Refused 403."""

    def caller(request: Request) -> Caller:
        found: Caller = request.state.caller
        require(found, role)
        return found

    return caller


def require(caller: Caller, role: Role) -> None:
    """Raises Refused 403 unless the caller has at least this role."""
    if caller.role < role:
        raise Refused(
            "forbidden",
            f"This key is {_one(caller.role)}'s; it takes {_one(role)}'s. "
            "Ask an admin for one: POST /api/keys.",
            details={"role": caller.role.name.lower(), "needed": role.name.lower()},
        )


def _one(role: Role) -> str:
    return f"{'a' if role is Role.VIEWER else 'an'} {role.name.lower()}"


SHOWN_IN_OPENAPI = _SHOWN
Viewer = Annotated[Caller, Depends(needs(Role.VIEWER))]
Operator = Annotated[Caller, Depends(needs(Role.OPERATOR))]
Admin = Annotated[Caller, Depends(needs(Role.ADMIN))]


def _guarded(path: str) -> bool:
    return path == GUARDED or path.startswith(f"{GUARDED}/")


async def _caller(headers: Headers) -> Caller:
    key = key_in(headers)
    if key is None:
        raise Refused(
            "unauthorized",
            "No API key. Send one as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'.",
        )
    try:
        caller = await run_in_threadpool(keys.caller_of, key)
    except (DBAPIError, PoolTimeout) as error:
        raise of_database(error) from error
    if caller is None:
        raise Refused("unauthorized", "This API key is not known, or was revoked. Use another.")
    return caller

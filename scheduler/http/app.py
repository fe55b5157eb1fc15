"""The HTTP API, and before it the edge for callbacks: one ASGI app for both."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, Final, cast

import uvicorn
from fastapi import Depends, FastAPI
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from scheduler import import_process
from scheduler.access import keys as key_store
from scheduler.agents import store as agent_rules
from scheduler.http import docs, errors, health
from scheduler.http.api import (
    agents,
    campaigns,
    keys,
    messages,
    progress,
    sending,
    suppressions,
    uploads,
)
from scheduler.http.auth import SHOWN_IN_OPENAPI, Authentication
from scheduler.http.body_limit import BodyLimit
from scheduler.http.callbacks.edge import CallbackEdge
from scheduler.http.documented_errors import Described
from scheduler.http.idempotency import Idempotency
from scheduler.http.redirects import RelativeRedirects
from scheduler.http.requests import refuse_odd_text
from shared.db.session import engine
from shared.errors import Misconfigured
from shared.logging import get_logger

log = get_logger(__name__)

WEBHOOKS: Final = "/webhooks"
_BELOW: Final = f"{WEBHOOKS}/"

#: The upload reads its body by itself; these take JSON.
_KEYED: Final = (agents, campaigns, progress, messages, suppressions, sending, keys)


def create_app() -> "Front":
    """The app. It starts without the database and answers 503 until there is one."""
    webhooks = CallbackEdge()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with suppress(Misconfigured):  # without a database every answer says so
            engine()  # before there are threads: two that ask for it at once would make one each
        await webhooks.start()
        import_process.start()
        stopping = asyncio.Event()
        settling = asyncio.create_task(_prepare_database(stopping))
        yield
        stopping.set()  # a thread that works cannot be cancelled, only waited for
        await settling
        await webhooks.stop()

    return Front(_api(lifespan), webhooks)


class Front:
    """The ASGI app that is served: a callback meets none of what the API needs for its requests.

    Proxies' headers are read here and not by the server, for the same reason; no callback's
    signature depends on them.
    """

    def __init__(self, app: ASGIApp, webhooks: CallbackEdge) -> None:
        trusted = uvicorn.Config(app, log_config=None).forwarded_allow_ips
        self._app = cast(ASGIApp, ProxyHeadersMiddleware(cast(Any, app), trusted))
        self._webhooks = webhooks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(_BELOW):
            scope["root_path"] = WEBHOOKS
            await self._webhooks(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _api(lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    app = Described(
        title="Volley",
        description="A campaign engine for AI SMS agents. An address says 405 to a method that "
        "it does not answer to; one that is not there says 404 (without a key, under /api: 401).",
        lifespan=lifespan,
        openapi_url=None,  # both are ours (docs)
        docs_url=None,
        redoc_url=None,
        telemetry={"auto_configure": False},
    )
    errors.install(app)
    app.include_router(docs.router)  # first: whoever looks for a route tries one after the other
    app.include_router(uploads.router, dependencies=SHOWN_IN_OPENAPI)
    for module in _KEYED:
        dependencies = [*SHOWN_IN_OPENAPI, Depends(refuse_odd_text)]
        app.include_router(module.router, dependencies=dependencies)
    app.include_router(health.router)
    # The last one added is the first to see a request.
    app.add_middleware(Idempotency)
    app.add_middleware(Authentication)
    app.add_middleware(BodyLimit)
    app.add_middleware(RelativeRedirects)
    return app


async def _prepare_database(stopping: asyncio.Event) -> None:
    """Store the first key and the platform's account, as soon as the database answers."""
    while not stopping.is_set():
        try:
            await run_in_threadpool(key_store.keep_first_key)
            with suppress(Misconfigured):  # no account yet: agents are told when they are made
                await run_in_threadpool(agent_rules.follow_platform_account)
            return
        except DBAPIError as error:
            log.info("api.waits_for_database", error=type(error).__name__)
        except Misconfigured as error:  # asking again is no use; every request says it too
            log.error("api.misconfigured", reason=error.message)
            return
        except OSError as error:  # a full disk: the first key cannot be made yet
            log.warning("api.first_key_not_kept", error=error.strerror)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), timeout=1)

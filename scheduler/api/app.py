"""The HTTP API: one app, whose edge for callbacks runs before everything else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from fastapi import Depends, FastAPI
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from scheduler import agents as agent_rules
from scheduler import keys as key_store
from scheduler.api import (
    agents,
    campaigns,
    docs,
    errors,
    health,
    keys,
    messages,
    progress,
    sending,
    suppressions,
    uploads,
)
from scheduler.api.auth import SHOWN_IN_OPENAPI, Authentication
from scheduler.api.idempotency import Idempotency
from scheduler.api.limits import BodyLimit
from scheduler.api.requests import refuse_odd_text
from scheduler.api.webhooks import Webhooks
from shared.db.session import engine
from shared.errors import Refused
from shared.logging import get_logger

log = get_logger(__name__)

WEBHOOKS: Final = "/webhooks"

#: The upload reads its body by itself; these take JSON.
_KEYED: Final = (agents, campaigns, progress, messages, suppressions, sending, keys)


def create_app() -> FastAPI:
    """The app. It starts without the database and answers 503 until there is one."""
    webhooks = Webhooks()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with suppress(Refused):  # without a database every answer says so
            engine()  # before there are threads: two that ask for it at once would make one each
        await webhooks.start()
        stopping = asyncio.Event()
        settling = asyncio.create_task(_settle_in(stopping))
        yield
        stopping.set()  # a thread that works cannot be cancelled, only waited for
        await settling
        await webhooks.stop()

    app = FastAPI(
        title="Volley",
        description="A campaign engine for AI SMS agents.",
        lifespan=lifespan,
        docs_url=None,  # /docs is ours: it needs no other server
        redoc_url=None,
        telemetry={"auto_configure": False},
    )
    errors.install(app)
    app.include_router(uploads.router, dependencies=SHOWN_IN_OPENAPI)
    for module in _KEYED:
        dependencies = [*SHOWN_IN_OPENAPI, Depends(refuse_odd_text)]
        app.include_router(module.router, dependencies=dependencies)
    app.include_router(health.router)
    app.include_router(docs.router)
    # The last one added is the first to see a request.
    app.add_middleware(Idempotency)
    app.add_middleware(Authentication)
    app.add_middleware(BodyLimit)
    app.add_middleware(CallbacksFirst, webhooks=webhooks)
    return app


class CallbacksFirst:
    """ASGI middleware: a callback goes straight to the edge that keeps it."""

    def __init__(self, app: ASGIApp, webhooks: Webhooks) -> None:
        self._app = app
        self._webhooks = webhooks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(f"{WEBHOOKS}/"):
            await self._webhooks({**scope, "root_path": WEBHOOKS}, receive, send)
        else:
            await self._app(scope, receive, send)


async def _settle_in(stopping: asyncio.Event) -> None:
    """What every start does once, as soon as the database answers."""
    while not stopping.is_set():
        try:
            await run_in_threadpool(key_store.keep_first_key)
            with suppress(Refused):  # no account yet: agents are told when they are made
                await run_in_threadpool(agent_rules.follow_platform_account)
            return
        except (DBAPIError, Refused) as error:
            log.info("api.waits_for_database", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), timeout=1)

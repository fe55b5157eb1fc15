"""Make one call to a provider: the last checks before the write, and the outcome."""

import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from shared import clock, metrics
from shared.errors import InWords, VolleyError
from shared.ledger.claim import Claimed
from shared.logging import get_logger
from shared.providers.adapters import adapter_for
from shared.providers.base import OutboundText
from shared.providers.codes import Scope
from shared.providers.errors import Later, SendError
from shared.providers.registry import provider_named
from shared.providers.transport.pool import NoConnection
from shared.settings import settings
from worker.send import outcomes
from worker.send.pace import LATE, MAX_CLAIM_AGE, Pace
from worker.send.recorder import Recorder
from worker.send.routes import Route, RouteCache
from worker.send.slots import Loaded

log = get_logger(__name__)

#: How many slots a message may miss because no connection was open yet.
CONNECT_TRIES = 3


class Missed(VolleyError):
    """The slot had passed before the first byte: nothing was written, another slot is needed."""


class Fenced(VolleyError):
    """The claim is too old, or was made for another account: nothing was written, and the message
    goes back to `ready`.
    """


class Calls:
    """Makes calls on the engine's loop."""

    def __init__(self, *, routes: RouteCache, pace: Pace, recorder: Recorder) -> None:
        self._routes = routes
        self._pace = pace
        self._recorder = recorder

    def expect(self, claimed: Iterable[Claimed]) -> None:
        """Open connections for these messages, before their slots."""
        for (provider, credentials), calls in self._routes.accounts_of(claimed).items():
            with suppress(InWords):  # the call itself reports a faulty account
                adapter_for(provider, credentials).warm(calls)

    async def make(self, loaded: Loaded) -> bool:
        """Make one call for one claimed message, and record its outcome.

        Returns False when nothing was written and the message needs another slot: it records
        nothing then.
        """
        claimed, loaded.unready = loaded.claimed, False
        try:
            route = self._routes.route(claimed)
            adapter = adapter_for(route.agent.provider, route.credentials)
        except InWords as refused:
            self._hold_agent(claimed, refused)
            return True
        try:
            answer = await adapter.send(
                _words(claimed, route),
                gate=partial(self._gate, loaded, route),
                wrote=partial(self._wrote, loaded),
            )
        except Missed:
            return False
        except Fenced:
            metrics.sends.labels("fence").inc()
            self._recorder.put(outcomes.not_sent(claimed, "fence"), claimed.campaign_id)
        except NoConnection as error:
            # A connection is being opened. The message gets another slot, a few times at most.
            patient = loaded.misses < CONNECT_TRIES and not claimed.paced
            loaded.unready = True
            if not error.failing and (loaded.slot is None or patient):
                return False
            await self._failed(loaded, route, error)
        except SendError as error:
            await self._failed(loaded, route, error)
        else:
            metrics.sends.labels("accepted").inc()
            self._pace.went(_scopes(route))
            self._recorder.put(outcomes.accepted(claimed, answer), claimed.campaign_id)
        return True

    def _hold_agent(self, claimed: Claimed, refused: InWords) -> None:
        """Write a hold on the agent, whose account cannot be used, until a person fixes it."""
        until_fixed = Later(refused.message, scope=Scope.AGENT, seconds=None)
        self._recorder.put(outcomes.not_sent(claimed, "held"), claimed.campaign_id)
        self._recorder.put_hold(outcomes.hold_for(claimed, until_fixed))

    def _gate(self, loaded: Loaded, route: Route) -> None:
        """The last check of account, claim age and slot, after the connection was taken."""
        if loaded.claimed.account not in {None, route.account}:
            # Callbacks of the new account would count as strangers. The next claim names it.
            raise Fenced("the agent has another account now")
        if time.monotonic() - loaded.claimed_at > min(MAX_CLAIM_AGE, settings().fence):
            raise Fenced("the claim is too old")
        if loaded.slot is None:
            return
        if not self._pace.clock.good:
            loaded.unready = True
            raise Missed("Redis's clock is not known to within 5 ms")
        if self._pace.lateness(loaded.slot) > LATE:
            raise Missed("the slot has passed")

    def _wrote(self, loaded: Loaded) -> None:
        if loaded.slot is not None:
            claimed = loaded.claimed
            sender = claimed.sender if claimed.paced else None
            self._pace.wrote(claimed.agent_key, loaded.slot, sender=sender)

    async def _failed(self, loaded: Loaded, route: Route, error: SendError) -> None:
        claimed = loaded.claimed
        metrics.sends.labels(type(error).__name__.lower()).inc()
        log.info(
            "message.not_accepted",
            message_id=claimed.message_id,
            campaign_id=claimed.campaign_id,
            agent=route.agent.id,
            outcome=type(error).__name__,
            code=error.code,
        )
        self._recorder.put(outcomes.failed(claimed, error), claimed.campaign_id)
        if isinstance(error, Later):
            await self._hold(claimed, route, error)

    async def _hold(self, claimed: Claimed, route: Route, error: Later) -> None:
        """Make the code's scope wait: briefly in Redis, or by a hold in Postgres."""
        if error.scope in {Scope.AGENT, Scope.ACCOUNT} and not error.for_people:
            agent, account = _scopes(route)
            scope = account if error.scope is Scope.ACCOUNT else agent
            named = error.seconds if error.provider_named_time else None
            await self._pace.back_off(scope, named)
        else:
            self._recorder.put_hold(outcomes.hold_for(claimed, error))


def _scopes(route: Route) -> tuple[str, str]:
    """The throttle's scopes of the agent and of its account."""
    return f"{Scope.AGENT}:{route.agent.key}", f"{Scope.ACCOUNT}:{route.agent.account}"


def _words(claimed: Claimed, route: Route) -> OutboundText:
    before = route.campaign.send_before
    reports = provider_named(route.agent.provider).reports()
    address = reports.status_callback_url(
        settings().callback_base,
        message_id=claimed.message_id,
        part=claimed.part,
        token=claimed.token,
    )
    return OutboundText(
        to=claimed.phone,
        body=claimed.text,
        sender=claimed.sender,
        sender_pool=route.agent.sender_pool,
        status_callback=address,
        options=route.campaign.options,
        part=claimed.part,
        seconds_left=None if before is None else int((before - clock.now()).total_seconds()),
    )

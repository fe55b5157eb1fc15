"""One call to a provider: the last looks before the write, and what came of it."""

import time
from collections.abc import Iterable
from contextlib import suppress
from functools import partial

from shared import clock, metrics
from shared.errors import Refused, VolleyError
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
    """The claim is too old to write under, or speaks of another account: nothing was written, the
    message is given back.
    """


class Calls:
    """Makes calls on the engine's loop."""

    def __init__(self, *, routes: RouteCache, pace: Pace, recorder: Recorder) -> None:
        self._routes = routes
        self._pace = pace
        self._recorder = recorder

    def expect(self, claimed: Iterable[Claimed]) -> None:
        """Open connections for these messages: their slots come in a moment."""
        for (provider, credentials), calls in self._routes.accounts_of(claimed).items():
            with suppress(Refused):  # what is wrong with an account is said when it is called
                adapter_for(provider, credentials).warm(calls)

    async def make(self, loaded: Loaded) -> bool:
        """One call for one claimed message; False when it was not written and wants another slot.

        Whatever else comes of it is recorded.
        """
        claimed, loaded.unready = loaded.claimed, False
        try:
            route = self._routes.route(claimed)
            adapter = adapter_for(route.agent.provider, route.credentials)
        except Refused as refused:
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
            # One is being opened: part of the pace, not a failure, unless it goes on.
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

    def _hold_agent(self, claimed: Claimed, refused: Refused) -> None:
        """The agent has no account that can be used: it is held until a person mends that."""
        mend = Later(refused.message, scope=Scope.AGENT, seconds=None)
        self._recorder.put(outcomes.not_sent(claimed, "held"), claimed.campaign_id)
        self._recorder.put_hold(outcomes.hold_for(claimed, mend))

    def _gate(self, loaded: Loaded, route: Route) -> None:
        """The last look at the clocks, with a connection in hand."""
        if loaded.claimed.account not in {None, route.account}:
            # Its callbacks would be a stranger's. The next claim says which account it is.
            raise Fenced("the agent has another account now")
        if time.monotonic() - loaded.claimed_at > min(MAX_CLAIM_AGE, settings().fence):
            raise Fenced("the claim is too old")
        if loaded.slot is None:
            return
        if not self._pace.clock.good:
            loaded.unready = True
            raise Missed("nobody knows what time it is on Redis's clock")
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
        """What the code speaks about waits: for moments in Redis, for longer in Postgres."""
        if error.scope in {Scope.AGENT, Scope.ACCOUNT} and not error.for_people:
            agent, account = _scopes(route)
            scope = account if error.scope is Scope.ACCOUNT else agent
            named = error.seconds if error.provider_named_time else None
            await self._pace.back_off(scope, named)
        else:
            self._recorder.put_hold(outcomes.hold_for(claimed, error))


def _scopes(route: Route) -> tuple[str, str]:
    """The agent and the account, as the throttle names what waits."""
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

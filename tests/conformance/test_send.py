"""One text, one call: what the adapter writes, what it tells, and how it names the outcome."""

import asyncio
from uuid import uuid4

import pytest

from shared.providers import registry
from shared.providers.base import Accepted, OutboundText, Sends
from shared.providers.errors import Later, Rejected, SendError, Unknown, Unreachable
from tests.conformance.conftest import Play
from tests.conformance.guest import DROPPED, LOST, SCOPES, Arrival, Fate, Guest
from tests.support.eventually import until

NOWHERE = "http://127.0.0.1:9"


class TooLate(Exception):
    """The caller's own reason not to write."""


class Told:
    """A gate that lets pass and a `wrote` that is told, both written down."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def gate(self) -> None:
        self.events.append("gate")

    def wrote(self) -> None:
        self.events.append("wrote")

    def closed(self) -> None:
        self.events.append("gate")
        raise TooLate


def text_of(guest: Guest, fate: Fate) -> OutboundText:
    reports = registry.provider_named(guest.provider).reports()
    address = reports.status_callback_url(NOWHERE, message_id=7, part=0, token=uuid4())
    return guest.text(fate, callback=address)


def outcome_of(guest: Guest, play: Play, text: OutboundText) -> tuple[Accepted | SendError, Told]:
    """Send once: what came of it, and what was told meanwhile."""
    told = Told()

    async def scene(adapter: Sends) -> Accepted | SendError:
        try:
            return await adapter.send(text, gate=told.gate, wrote=told.wrote)
        except SendError as error:
            return error

    return play(scene), told


def test_an_accepted_text_is_at_the_provider_once_and_has_an_id(guest: Guest, play: Play) -> None:
    text = text_of(guest, Fate.DELIVERED)

    accepted, told = outcome_of(guest, play, text)

    assert isinstance(accepted, Accepted)
    assert accepted.status == "accepted"
    assert accepted.provider_status
    assert accepted.segments in (1, None)
    assert guest.arrivals() == [Arrival(text.to, text.body, accepted=True)]
    assert told.events == ["gate", "wrote"]


@pytest.mark.parametrize("body", ["Größe – 20 % off & more?", "a=b&c+d%20", "👋\n“hi”", "x" * 700])
def test_a_text_arrives_letter_by_letter(guest: Guest, play: Play, body: str) -> None:
    text = guest.text(Fate.DELIVERED, body=body, callback=f"{NOWHERE}/x")

    outcome_of(guest, play, text)

    assert guest.arrivals() == [Arrival(text.to, body, accepted=True)]


@pytest.mark.parametrize("fate", SCOPES)
def test_what_was_not_processed_is_later_and_says_what_must_wait(
    guest: Guest, play: Play, fate: Fate
) -> None:
    text = text_of(guest, fate)

    error, told = outcome_of(guest, play, text)

    assert type(error) is Later
    assert error.scope is SCOPES[fate]
    assert guest.arrivals() == [Arrival(text.to, text.body, accepted=False)]
    assert told.events == ["gate", "wrote"]
    if fate is Fate.BUSY:
        assert error.seconds == 1.0  # its Retry-After
    elif fate is Fate.HELD:
        assert error.seconds is None  # until a person gives other credentials
    else:
        assert error.seconds is not None
        assert error.seconds > 0


def test_a_refused_number_is_rejected_for_good_with_a_code_and_a_sentence(
    guest: Guest, play: Play
) -> None:
    text = text_of(guest, Fate.REFUSED)

    error, told = outcome_of(guest, play, text)

    assert type(error) is Rejected
    assert error.code is not None
    assert error.sentence
    assert guest.arrivals() == [Arrival(text.to, text.body, accepted=False)]
    assert told.events == ["gate", "wrote"]


@pytest.mark.parametrize("fate", [*LOST, *DROPPED])
def test_without_a_whole_answer_after_the_write_it_is_unknown_and_never_repeated(
    guest: Guest, play: Play, fate: Fate
) -> None:
    text = text_of(guest, fate)

    error, told = outcome_of(guest, play, text)

    assert type(error) is Unknown
    assert guest.arrivals() == [Arrival(text.to, text.body, accepted=fate in LOST)]
    assert told.events == ["gate", "wrote"]


def test_a_gate_that_raises_writes_nothing_and_the_next_text_goes(guest: Guest, play: Play) -> None:
    late, good = text_of(guest, Fate.DELIVERED), text_of(guest, Fate.DELIVERED)
    told = Told()

    async def scene(adapter: Sends) -> Accepted:
        with pytest.raises(TooLate):
            await adapter.send(late, gate=told.closed, wrote=told.wrote)
        assert told.events == ["gate"]
        await until(adapter.ready, seconds=20)
        return await adapter.send(good, gate=told.gate, wrote=told.wrote)

    play(scene)

    assert [arrival.to for arrival in guest.arrivals()] == [good.to]


def test_between_gate_and_wrote_the_event_loop_does_not_turn(guest: Guest, play: Play) -> None:
    text, told = text_of(guest, Fate.DELIVERED), Told()

    def gate() -> None:
        told.gate()
        asyncio.get_running_loop().call_soon(told.events.append, "the loop turned")

    async def scene(adapter: Sends) -> None:
        await adapter.send(text, gate=gate, wrote=told.wrote)

    play(scene)

    assert told.events == ["gate", "wrote", "the loop turned"]


def test_where_nobody_listens_it_is_unreachable_and_neither_asked_nor_told(
    guest: Guest, play: Play
) -> None:
    text, told = text_of(guest, Fate.DELIVERED), Told()

    async def scene(adapter: Sends) -> None:
        guest.stop()
        await until(lambda: not adapter.ready(), seconds=20)
        with pytest.raises(Unreachable):
            await adapter.send(text, gate=told.gate, wrote=told.wrote)

    play(scene)

    assert told.events == []


def test_many_texts_at_once_keep_their_own_outcomes(guest: Guest, play: Play) -> None:
    fates = [Fate.DELIVERED, Fate.REFUSED, Fate.BUSY, Fate.LOST_ERROR] * 5
    texts = [text_of(guest, fate) for fate in fates]

    async def one(adapter: Sends, text: OutboundText) -> type:
        told = Told()
        while True:
            try:
                await adapter.send(text, gate=told.gate, wrote=told.wrote)
            except Unreachable:  # no connection was in hand yet: nothing was asked
                assert told.events == []
                await asyncio.sleep(0.005)
            except SendError as error:
                return type(error)
            else:
                return Accepted

    async def scene(adapter: Sends) -> list[type]:
        adapter.warm(len(texts))
        return [*await asyncio.gather(*(one(adapter, text) for text in texts))]

    assert play(scene) == [Accepted, Rejected, Later, Unknown] * 5
    assert sorted(arrival.to for arrival in guest.arrivals()) == sorted(text.to for text in texts)


def test_closing_ends_the_calls_in_flight_as_unknown(guest: Guest, play: Play) -> None:
    text, told = text_of(guest, Fate.LOST_HANG), Told()

    async def scene(adapter: Sends) -> None:
        call = asyncio.create_task(adapter.send(text, gate=told.gate, wrote=told.wrote))
        await until(lambda: "wrote" in told.events, seconds=20)
        await adapter.close()
        assert call.done()  # at once, and not when its time is over
        with pytest.raises(Unknown):
            await call

    play(scene)

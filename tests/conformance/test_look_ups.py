"""Afterwards: what was sent can be found, also that of which the answer was lost."""

from datetime import datetime, timedelta

import pytest

from shared import clock
from shared.providers import base
from shared.providers.base import Accepted, Fetches, Listed, Lists, OutboundText, Sends
from shared.providers.errors import SendError, Unknown
from tests.conformance.conftest import Play
from tests.conformance.guest import LOST, Fate, Guest
from tests.support.eventually import eventually, until

CALLBACK = "http://127.0.0.1:9/x"
MINUTE = timedelta(minutes=1)
MORE_THAN_A_PAGE = 120


def lists(adapter: Sends) -> Lists:
    return base.lists(adapter) or pytest.skip("this provider lists nothing")


def fetches(adapter: Sends) -> Fetches:
    return base.fetches(adapter) or pytest.skip("this provider cannot be asked about a message")


async def sent(adapter: Sends, text: OutboundText) -> Accepted:
    await until(adapter.ready, seconds=20)
    return await adapter.send(text, gate=lambda: None, wrote=lambda: None)


def test_messages_to_a_number_are_listed_and_no_others(guest: Guest, play: Play) -> None:
    one = guest.text(Fate.DELIVERED, body="Hi, ß & 👋", callback=CALLBACK)
    other = guest.text(Fate.DELIVERED, callback=CALLBACK)

    async def scene(adapter: Sends) -> tuple[Accepted, list[Listed], list[Listed]]:
        accepted = await sent(adapter, one)
        await sent(adapter, other)
        now = clock.now()
        found = await lists(adapter).list_to(one.to, created_after=now - MINUTE)
        later = await lists(adapter).list_to(one.to, created_after=now + MINUTE)
        return accepted, found, later

    accepted, (listed,), later = play(scene)

    assert (listed.sid, listed.to, listed.body) == (accepted.sid, one.to, one.body)
    assert listed.provider_status
    assert isinstance(listed.created_at, datetime)
    assert abs(listed.created_at - clock.now()) < MINUTE
    assert later == []


@pytest.mark.parametrize("fate", LOST)
def test_a_text_of_which_the_answer_was_lost_is_found(guest: Guest, play: Play, fate: Fate) -> None:
    text = guest.text(fate, callback=CALLBACK)

    async def scene(adapter: Sends) -> list[Listed]:
        with pytest.raises(Unknown):
            await sent(adapter, text)
        return await lists(adapter).list_to(text.to, created_after=clock.now() - MINUTE)

    assert [listed.body for listed in play(scene)] == [text.body]


def test_a_list_is_read_to_its_last_page(guest: Guest, play: Play) -> None:
    text = guest.text(Fate.DELIVERED, callback=CALLBACK)

    async def scene(adapter: Sends) -> tuple[set[str], list[Listed]]:
        made = {(await sent(adapter, text)).sid for _ in range(MORE_THAN_A_PAGE)}
        return made, await lists(adapter).list_to(text.to, created_after=clock.now() - 10 * MINUTE)

    made, found = play(scene)

    assert len(found) == MORE_THAN_A_PAGE
    assert {listed.sid for listed in found} == made


def test_the_newest_come_first_and_no_more_than_asked_for(guest: Guest, play: Play) -> None:
    texts = [guest.text(Fate.DELIVERED, callback=CALLBACK) for _ in range(5)]

    async def scene(adapter: Sends) -> list[Listed]:
        for text in texts:
            await sent(adapter, text)
        return await lists(adapter).newest(3)

    assert [listed.to for listed in play(scene)] == [text.to for text in texts[:1:-1]]


@pytest.mark.parametrize(
    ("fate", "status", "has_code"),
    [(Fate.DELIVERED, "delivered", False), (Fate.UNDELIVERED, "undelivered", True)],
)
def test_one_message_is_fetched_with_its_status_in_our_words(
    guest: Guest, play: Play, fate: Fate, status: str, has_code: bool
) -> None:
    text = guest.text(fate, callback=CALLBACK)

    async def scene(adapter: Sends) -> Listed:
        accepted = await sent(adapter, text)
        while True:  # play() gives it a minute
            found = await fetches(adapter).fetch(accepted.sid)
            assert found is not None
            assert (found.sid, found.to) == (accepted.sid, text.to)
            if found.status not in ("accepted", "sent"):
                return found

    found = play(scene)

    assert (found.status, found.error_code is not None) == (status, has_code)


def test_no_message_is_found_by_an_id_of_none(guest: Guest, play: Play) -> None:
    async def scene(adapter: Sends) -> Listed | None:
        return await fetches(adapter).fetch(guest.unknown_id)

    assert play(scene) is None


def test_a_provider_that_cannot_be_asked_is_no_proof_of_absence(guest: Guest, play: Play) -> None:
    text = guest.text(Fate.DELIVERED, callback=CALLBACK)

    async def scene(adapter: Sends) -> None:
        await sent(adapter, text)
        guest.refuse_look_ups()
        with pytest.raises(SendError):
            await lists(adapter).list_to(text.to, created_after=clock.now() - MINUTE)
        with pytest.raises(SendError):
            await lists(adapter).newest(1)

    play(scene)


def test_where_nobody_listens_a_look_up_raises(guest: Guest, play: Play) -> None:
    async def scene(adapter: Sends) -> None:
        guest.stop()
        with pytest.raises(SendError):
            await fetches(adapter).fetch(guest.unknown_id)

    play(scene)


def test_abilities_say_the_truth(guest: Guest, play: Play) -> None:
    text = guest.text(Fate.DELIVERED, callback=CALLBACK)

    async def scene(adapter: Sends) -> None:
        able = adapter.abilities
        first, again = await sent(adapter, text), await sent(adapter, text)
        assert hasattr(adapter, "list_to") == hasattr(adapter, "newest") == able.can_list
        assert hasattr(adapter, "fetch") == able.can_fetch
        assert bool(first.sid) == able.returns_id
        if listing := base.lists(adapter):
            assert await listing.list_to(text.to, created_after=clock.now() - MINUTE)
        if fetching := base.fetches(adapter):
            assert await fetching.fetch(first.sid) is not None
        assert (first.sid == again.sid) == able.idempotency_key

    play(scene)
    eventually(lambda: len(guest.arrivals()), becomes=2, seconds=20)

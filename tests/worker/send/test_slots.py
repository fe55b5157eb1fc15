"""The order in which one sending process claims and sends."""

import math
import uuid

from shared.ledger.claim import Claimed
from worker.send.slots import Due, Loaded, Slots


def due(slot: float, message_id: int = 1) -> Due:
    return Due(slot=slot, message_id=message_id, due=0)


def loaded(slot: float | None, message_id: int = 1) -> Loaded:
    claimed = Claimed(message_id, 1, 1, 0, uuid.uuid4(), "+12025550123", "+14155550001", "hi", 1)
    return Loaded(claimed, claimed_at=0.0, slot=slot)


def test_hints_are_claimed_in_the_order_of_their_slots_not_of_their_arrival() -> None:
    slots = Slots()
    for slot in (3.0, 1.0, 2.0):
        slots.hinted(due(slot))

    claimed = slots.to_claim(before=10.0, most=100)

    assert [d.slot for d in claimed] == [1.0, 2.0, 3.0]


def test_a_hint_is_not_claimed_long_before_its_slot() -> None:
    slots = Slots()
    slots.hinted(due(1.0))
    slots.hinted(due(2.0))

    assert [d.slot for d in slots.to_claim(before=1.5, most=100)] == [1.0]
    assert slots.unclaimed == 1


def test_one_claim_takes_no_more_than_it_may_and_the_nearest_first() -> None:
    slots = Slots()
    for n in range(10):
        slots.hinted(due(float(10 - n)))

    assert [d.slot for d in slots.to_claim(before=99.0, most=3)] == [1.0, 2.0, 3.0]
    assert slots.unclaimed == 7


def test_what_was_taken_is_not_taken_again() -> None:
    slots = Slots()
    slots.hinted(due(1.0))
    slots.load(loaded(1.0))

    slots.to_claim(before=9.0, most=9)
    slots.to_send(before=9.0)

    assert slots.to_claim(before=9.0, most=9) == []
    assert slots.to_send(before=9.0) == []
    assert not slots


def test_a_claimed_message_is_held_until_its_slot() -> None:
    slots = Slots()
    slots.load(loaded(1.0))

    assert slots.to_send(before=0.999) == []
    assert len(slots.to_send(before=1.0)) == 1


def test_a_part_that_follows_another_waits_for_no_slot() -> None:
    slots = Slots()
    slots.load(loaded(5.0, 1))
    slots.load(loaded(None, 2))

    assert [one.claimed.message_id for one in slots.to_send(before=1.0)] == [2]


def test_messages_of_the_same_slot_go_in_the_order_they_came() -> None:
    slots = Slots()
    for n in range(5):
        slots.load(loaded(1.0, n))

    assert [one.claimed.message_id for one in slots.to_send(before=1.0)] == [0, 1, 2, 3, 4]


def test_a_worker_that_stops_takes_out_everything() -> None:
    slots = Slots()
    slots.hinted(due(1.0, 1))
    slots.load(loaded(2.0, 2))
    slots.load(loaded(None, 3))

    dues, claimed = slots.take_all()

    assert [d.message_id for d in dues] == [1]
    assert sorted(one.claimed.message_id for one in claimed) == [2, 3]
    assert not slots


def test_the_pump_knows_when_the_next_message_is_due() -> None:
    slots = Slots()
    nothing = slots.next_slot
    slots.load(loaded(7.0))
    slots.load(loaded(5.0))

    assert (nothing, slots.next_slot) == (math.inf, 5.0)

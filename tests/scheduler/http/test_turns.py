"""Who is worked for next."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from scheduler.http import turns
from scheduler.http.turns import Lane, Turn, Turns, lane_of
from tests.support.eventually import until


class _Asking:
    """Asks for a turn for an app, and notes when it got one."""

    def __init__(self, given: Turns, app: Callable[..., Any] | None = None) -> None:
        self.turns = given
        self.app = app
        self.went = False

    def go_on(self, lane: Lane) -> None:
        self.went = True
        if self.app is not None:
            turn = Turn(self.turns, lane, self.app, asyncio.get_running_loop())
            self.task = asyncio.ensure_future(turn({}, None, None))  # type: ignore[arg-type]


async def _never(scope: dict[Any, Any], receive: None, send: None) -> None:
    await asyncio.Event().wait()


def _within(seconds: float, work: Coroutine[Any, Any, Any]) -> None:
    asyncio.run(asyncio.wait_for(work, seconds))


def test_a_turn_is_given_in_the_order_of_asking_as_soon_as_one_has_ended() -> None:
    async def live() -> None:
        ends = [asyncio.Event() for _ in range(5)]

        def ending(end: asyncio.Event) -> Callable[..., Any]:
            async def app(scope: dict[Any, Any], receive: None, send: None) -> None:
                await end.wait()

            return app

        given = Turns(dict.fromkeys(Lane, 2))
        asking = [_Asking(given, ending(end)) for end in ends]
        for one in asking:
            given.ask(one, Lane.PLAIN)
        assert [one.went for one in asking] == [True, True, False, False, False]

        given.forget(asking[2])  # its client has gone
        ends[1].set()
        await asking[1].task
        assert [one.went for one in asking] == [True, True, False, True, False]
        ends[0].set()
        await asking[0].task
        assert [one.went for one in asking] == [True, True, False, True, True]

    _within(20, live())


def test_no_lane_waits_for_another() -> None:
    async def live() -> None:
        given = Turns(dict.fromkeys(Lane, 1))
        for lane in Lane:
            first, second = _Asking(given, _never), _Asking(given, _never)
            given.ask(first, lane)
            given.ask(second, lane)
            assert (first.went, second.went) == (True, False)
            given.forget(second)

    _within(20, live())


def test_what_never_ends_keeps_the_others_waiting_only_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "_MOST", 0.01)

    async def live() -> None:
        given = Turns(dict.fromkeys(Lane, 1))
        streams = [_Asking(given, _never) for _ in range(3)]
        for stream in streams:
            given.ask(stream, Lane.PLAIN)
        await until(lambda: all(stream.went for stream in streams))
        for stream in streams:  # and gives its turn back once, not again when it ends
            stream.task.cancel()
        await asyncio.gather(*(stream.task for stream in streams), return_exceptions=True)
        late = [_Asking(given, _never) for _ in range(2)]
        for one in late:
            given.ask(one, Lane.PLAIN)
        assert [one.went for one in late] == [True, False]
        given.forget(late[1])

    _within(20, live())


def test_who_has_nothing_to_do_after_all_takes_no_turn() -> None:
    given = Turns(dict.fromkeys(Lane, 1))
    asking = [_Asking(given) for _ in range(3)]
    for one in asking:
        given.ask(one, Lane.PIPELINED)

    assert all(one.went for one in asking)


def test_a_callback_waits_for_nobody_and_health_only_for_health() -> None:
    lanes = {
        path: lane_of({"path": path})
        for path in ("/webhooks/twilio/status", "/healthz", "/webhooks", "/healthz/", "/api/agents")
    }

    assert lanes == {
        "/webhooks/twilio/status": None,
        "/healthz": Lane.HEALTH,
        "/webhooks": Lane.PLAIN,
        "/healthz/": Lane.PLAIN,
        "/api/agents": Lane.PLAIN,
    }

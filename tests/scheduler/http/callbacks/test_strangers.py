"""Several accounts at one edge: each signs for its own calls, and is known as soon as given."""

import asyncio
import time
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient
from twilio.request_validator import RequestValidator

from deploy.simulators.twilio.accounts import DEFAULT_SID
from scheduler.agents import store
from scheduler.agents.settings import AgentChanges, NewAgent
from scheduler.http.callbacks import signing_tokens
from shared.ledger import callbacks
from shared.settings import settings
from tests.scheduler.http.callbacks.test_edge import post, running
from tests.support import factories, ledger
from tests.support.environment import environment
from tests.support.ledger import Scene, state

OURS, THEIRS, THIRD = ("AC" + digit * 32 for digit in "123")
OPTED_OUT = "21610"


def signed(call: Any, account: str, token: str, **fields: str) -> Any:
    """An ASGI scope and body: a status callback about this call, signed by this account."""
    path, query = "/webhooks/twilio/status", f"m={call.message_id}&p=0&a={call.token.hex}"
    form = {
        "AccountSid": account,
        "MessageSid": f"SM{call.token.hex}",
        "MessageStatus": "delivered",
    } | fields
    url = f"{settings().callback_base}{path}?{query}"
    signature = RequestValidator(token).compute_signature(url, form)
    headers = [
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"x-twilio-signature", signature.encode()),
    ]
    scope = {
        "type": "http", "method": "POST", "path": path, "root_path": "/webhooks",
        "query_string": query.encode(), "headers": headers,
    }  # fmt: skip
    return scope, urlencode(form).encode()


def owns(name: str, account: str, token: str) -> None:
    """There is an agent with an account of its own."""
    given = {"id": name, "senders": ["+15005550006"], "provider_settings": own(account, token)}
    store.create(NewAgent.model_validate(given), actor="test")


def own(account: str, token: str) -> dict[str, str]:
    return {"account_sid": account, "auth_token": token}


def change(name: str, account: str, token: str) -> None:
    changes = {"provider_settings": own(account, token)}
    store.change(name, AgentChanges.model_validate(changes), actor="test")


def call_of(name: str) -> Any:
    """A claimed call of that agent."""
    scene = Scene()
    scene.agent = factories.one("SELECT key FROM agent WHERE id = :id", id=name).key
    scene.campaign = factories.campaign(scene.agent)
    return scene.claimed()


def answers(*requests: Any) -> list[int]:
    """What an edge that has just started answers, one after the other; all is applied then."""

    async def run() -> list[int]:
        async with running() as edge:
            return [await post(edge, request) for request in requests]

    found = asyncio.run(run())
    callbacks.drain(ledger.POLL)
    return found


def suppressed() -> int:
    return int(factories.one("SELECT count(*) AS n FROM suppression").n)


def test_a_callback_that_another_account_signed_is_kept_and_moves_nothing(database: str) -> None:
    owns("ours", OURS, "our token")
    owns("theirs", THEIRS, "their token")
    call = call_of("ours")
    stop = {"MessageStatus": "failed", "ErrorCode": OPTED_OUT}

    found = answers(
        signed(call, THEIRS, "their token", **stop),
        signed(call, OURS, "their token", **stop),
        signed(call, THEIRS, "our token", **stop),
    )

    assert found == [204, 403, 403]
    assert (state(call.message_id).status, suppressed()) == ("sending", 0)
    kept = factories.one("SELECT account, stranger FROM callback")
    assert tuple(kept) == (f"twilio:{THEIRS}", True)
    assert answers(signed(call, OURS, "our token", **stop)) == [204]
    assert (state(call.message_id).status, suppressed()) == ("failed", 1)


def test_neither_the_platform_nor_an_agent_speaks_for_the_other(database: str) -> None:
    owns("theirs", THEIRS, "their token")
    platform, (token,) = str(settings().twilio_account_sid), settings().auth_tokens
    of_the_platform, of_theirs = Scene().claimed(), call_of("theirs")

    found = answers(
        signed(of_the_platform, THEIRS, "their token"), signed(of_theirs, platform, token)
    )

    assert found == [204, 204]
    assert {state(c.message_id).status for c in (of_the_platform, of_theirs)} == {"sending"}


def test_two_agents_of_one_account_share_its_callbacks(database: str) -> None:
    owns("one", OURS, "our token")
    owns("two", OURS, "our token")
    calls = [call_of("one"), call_of("two")]

    assert answers(*(signed(call, OURS, "our token") for call in calls)) == [204, 204]
    assert {state(call.message_id).status for call in calls} == {"delivered"}


def test_an_agent_that_moves_to_another_account_still_hears_of_its_calls(database: str) -> None:
    owns("ours", OURS, "our token")
    before = call_of("ours")
    change("ours", THIRD, "third token")
    after = call_of("ours")

    crossed = answers(signed(before, THIRD, "third token"), signed(after, OURS, "our token"))
    moved = {state(c.message_id).status for c in (before, after)}
    right = answers(signed(before, OURS, "our token"), signed(after, THIRD, "third token"))

    assert (crossed, moved) == ([204, 204], {"sending"})
    assert right == [204, 204]
    assert {state(c.message_id).status for c in (before, after)} == {"delivered"}


def test_a_token_that_was_replaced_signs_no_more(database: str) -> None:
    owns("ours", OURS, "old token")
    call = call_of("ours")

    change("ours", OURS, "new token")
    assert answers(signed(call, OURS, "old token")) == [403]
    change("ours", THIRD, "third token")
    assert answers(signed(call, OURS, "old token"), signed(call, OURS, "new token")) == [403, 204]


def test_a_former_accounts_token_does_not_count_beside_that_of_an_agent_who_has_it(
    database: str,
) -> None:
    owns("ours", OURS, "leaked token")
    call = call_of("ours")
    change("ours", THIRD, "third token")
    owns("heir", OURS, "new token")

    found = answers(signed(call, OURS, "leaked token"), signed(call, OURS, "new token"))

    assert found == [403, 204]


@pytest.mark.parametrize("rotated", [True, False], ids=["a rotated token", "a new agent"])
def test_the_first_callback_after_a_change_counts(database: str, rotated: bool) -> None:
    """However short a time ago the tokens were read."""
    if rotated:
        owns("ours", OURS, "old token")

    async def run() -> list[int]:
        async with running() as edge:
            first = await post(edge, signed(Scene().claimed(), OURS, "new token"))
            if rotated:
                change("ours", OURS, "new token")
            else:
                owns("ours", OURS, "new token")
            return [first, await post(edge, signed(call_of("ours"), OURS, "new token"))]

    assert asyncio.run(run()) == [403, 204]


def test_forged_callbacks_have_the_tokens_read_at_most_once_a_second(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    owns("ours", OURS, "our token")
    call, began = call_of("ours"), list[float]()
    read = signing_tokens._own_tokens

    def counted() -> dict[str, tuple[str, ...]]:
        began.append(time.monotonic())
        return read()

    monkeypatch.setattr(signing_tokens, "_own_tokens", counted)
    forged = [signed(call, account, "a guess") for account in (OURS, THEIRS) for _ in range(50)]
    genuine = [signed(call, OURS, "our token") for _ in range(50)]

    async def run() -> tuple[list[int], list[int]]:
        async with running() as edge:
            await post(edge, genuine[0])
            bad: list[int] = []
            good: list[int] = []
            for _ in range(2):
                bad += await asyncio.gather(*(post(edge, request) for request in forged))
                good += await asyncio.gather(*(post(edge, request) for request in genuine))
            return bad, good

    bad, good = asyncio.run(run())

    assert (set(bad), set(good)) == ({403}, {204})
    assert 2 <= len(began) <= 4
    gaps = [later - earlier for earlier, later in pairwise(began)]
    assert min(gaps) >= signing_tokens.ASKED_AGAIN * 0.9


def test_a_signature_that_fits_none_is_no_verdict_while_the_accounts_cannot_be_read(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be of a token that was given to us a moment ago: the provider asks again."""
    owns("ours", OURS, "our token")
    call = call_of("ours")

    async def run() -> list[int]:
        async with running() as edge:
            before = await post(edge, signed(call, OURS, "our token"))
            monkeypatch.setattr(signing_tokens, "_own_tokens", lambda: 1 / 0)
            doubtful = await post(edge, signed(call, OURS, "another token"))
            return [before, doubtful, await post(edge, signed(call, OURS, "our token"))]

    assert asyncio.run(run()) == [204, 503, 204]


@pytest.mark.parametrize("account", ["the simulator's", "the real one's", DEFAULT_SID])
@pytest.mark.parametrize("token", ["a token for tests", "carrier-simulator-token"])
def test_the_simulators_token_opens_nothing_beside_a_real_account(
    database: str, account: str, token: str
) -> None:
    simulator = str(settings().twilio_account_sid)
    before = Scene().claimed()  # the simulator took it; then a real account was configured
    chosen = {"the simulator's": simulator, "the real one's": OURS}.get(account, account)

    with environment(twilio_account_sid=OURS, twilio_auth_token="our token"):
        store.follow_platform_account()
        after = call_of(factories.one("SELECT id FROM agent").id)
        forged = answers(signed(before, chosen, token), signed(after, chosen, token))
        genuine = answers(signed(after, OURS, "our token"))

    assert (forged, genuine) == ([403, 403], [204])
    assert [state(c.message_id).status for c in (before, after)] == ["sending", "delivered"]


def test_a_messages_story_and_the_gauges_show_the_stranger(api: TestClient) -> None:
    owns("theirs", THEIRS, "their token")
    call = Scene().claimed()
    answers(signed(call, THEIRS, "their token"))

    story = api.get(f"/api/messages/{call.message_id}").json()["timeline"]
    gauges = api.get("/metrics").text

    assert {entry["kind"] for entry in story} == {"callback", "check", "claimed", "stranger"}
    assert "volley_stranger_callbacks 1.0" in gauges

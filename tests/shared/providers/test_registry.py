"""From a provider's name to a warm adapter."""

import asyncio
from typing import Any, get_args

import pytest

from scheduler.http.errors import status_of
from shared.errors import Refused
from shared.providers import registry
from shared.providers.adapters import adapter_for, close_adapters
from shared.providers.base import lists
from shared.providers.provider import Provider
from shared.providers.twilio.accounts import TwilioCredentials

ACCOUNT = TwilioCredentials("AC" + "0" * 32, ("token",), api_url="http://127.0.0.1:9")


def test_an_account_has_one_adapter_on_one_event_loop() -> None:
    async def scene() -> Any:
        first = adapter_for("twilio", ACCOUNT)
        again = adapter_for("twilio", TwilioCredentials(**_fields(ACCOUNT)))
        other = adapter_for("twilio", TwilioCredentials("AC1", ("token",)))
        await close_adapters()
        anew = adapter_for("twilio", ACCOUNT)
        await close_adapters()
        return first, again, other, anew

    first, again, other, anew = asyncio.run(scene())

    assert first is again
    assert first is not other
    assert first is not anew
    assert lists(first) is first


def test_each_event_loop_has_its_own_adapter() -> None:
    async def one() -> Any:
        return adapter_for("twilio", ACCOUNT)

    assert asyncio.run(one()) is not asyncio.run(one())


@pytest.mark.parametrize("provider", ["vonage", "convocore", "nobody"])
def test_a_provider_that_is_not_built_is_refused_and_does_not_pretend(provider: str) -> None:
    with pytest.raises(Refused) as sending:
        adapter_for(provider, ACCOUNT)
    with pytest.raises(Refused) as asking:
        registry.provider_named(provider)

    assert (status_of(sending.value), sending.value.code) == (422, "not_available")
    assert (status_of(asking.value), asking.value.code) == (422, "not_available")


@pytest.mark.parametrize("known", registry.PROVIDERS.values(), ids=lambda known: known.name)
class TestEachProvider:
    """What every record of the list must keep."""

    def test_its_name_is_one_that_an_agent_may_give(self, known: Provider) -> None:
        assert known.name in get_args(registry.Name)
        assert registry.provider_named(known.name) is known

    def test_it_reports_what_became_of_a_message_and_refuses_a_kind_it_does_not_report(
        self, known: Provider
    ) -> None:
        assert callable(known.reports().verify)
        with pytest.raises(Refused) as refusal:
            known.reports("nonsense")

        assert refusal.value.code == "not_available"

    def test_every_number_has_a_row_that_says_what_to_do(self, known: Provider) -> None:
        rows = [known.look_up(number) for number in (*known.codes, 987_654)]

        assert all(row.sentence and row.fix for row in rows)
        assert [row.number for row in rows if not row.known] == [987_654]

    def test_it_has_the_methods_of_its_abilities_and_no_others(self, known: Provider) -> None:
        can = known.adapter.abilities  # type: ignore[attr-defined]

        assert can.can_list == all(hasattr(known.adapter, name) for name in ("list_to", "newest"))
        assert can.can_fetch == hasattr(known.adapter, "fetch")


def test_credentials_never_show_their_secrets() -> None:
    shown = repr(TwilioCredentials("AC1", ("tok3n",), api_key="k3y", api_secret="s3cret"))

    assert "AC1" in shown
    assert not any(secret in shown for secret in ("tok3n", "k3y", "s3cret"))


def _fields(credentials: TwilioCredentials) -> dict[str, Any]:
    return {name: getattr(credentials, name) for name in credentials.__slots__}

"""From a provider's name to a warm adapter."""

import asyncio

import pytest

from shared.errors import Refused
from shared.providers import registry
from shared.providers.base import Credentials, Lists
from shared.providers.twilio import callbacks

ACCOUNT = Credentials("AC" + "0" * 32, ("token",), api_url="http://127.0.0.1:9")


def test_an_account_has_one_adapter_on_one_event_loop():
    async def scene():
        first = registry.adapter_for("twilio", ACCOUNT)
        again = registry.adapter_for("twilio", Credentials(**_fields(ACCOUNT)))
        other = registry.adapter_for("twilio", Credentials("AC1", ("token",)))
        await registry.close_adapters()
        anew = registry.adapter_for("twilio", ACCOUNT)
        await registry.close_adapters()
        return first, again, other, anew

    first, again, other, anew = asyncio.run(scene())

    assert first is again
    assert first is not other
    assert first is not anew
    assert isinstance(first, Lists)


def test_each_event_loop_has_its_own_adapter():
    async def one():
        return registry.adapter_for("twilio", ACCOUNT)

    assert asyncio.run(one()) is not asyncio.run(one())


@pytest.mark.parametrize("provider", ["vonage", "convocore", "nobody"])
def test_a_provider_that_is_not_built_is_refused_and_does_not_pretend(provider):
    with pytest.raises(Refused) as sending:
        registry.adapter_for(provider, ACCOUNT)
    with pytest.raises(Refused) as reporting:
        registry.reports_of(provider)

    assert (sending.value.status, sending.value.code) == (422, "not_available")
    assert (reporting.value.status, reporting.value.code) == (422, "not_available")


def test_twilio_reports_by_its_own_callbacks():
    assert registry.reports_of("twilio") is callbacks


def test_credentials_never_show_their_secrets():
    shown = repr(Credentials("AC1", ("tok3n",), api_key="k3y", api_secret="s3cret"))

    assert "AC1" in shown
    assert not any(secret in shown for secret in ("tok3n", "k3y", "s3cret"))


def _fields(credentials):
    return {name: getattr(credentials, name) for name in credentials.__slots__}

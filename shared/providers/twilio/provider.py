"""Twilio's record: all that the rest of Volley uses of it."""

from types import MappingProxyType
from typing import Final

from shared.providers.provider import Provider
from shared.providers.twilio import accounts, callbacks
from shared.providers.twilio.adapter import TwilioAdapter
from shared.providers.twilio.codes import CODES, look_up
from shared.providers.twilio.options import check_options

TWILIO: Final = Provider(
    name="twilio",
    title="Twilio",
    adapter=TwilioAdapter,
    callbacks=MappingProxyType({"status": callbacks}),
    codes=CODES,
    look_up=look_up,
    check_options=check_options,
    accounts=accounts,
)

"""Options that Twilio would refuse are refused at upload, not by a whole failed campaign."""

import inspect
from typing import Any

import pytest
from twilio.rest.api.v2010.account.message import MessageList

from shared.errors import Refused
from shared.providers.twilio.options import OPTIONS, check_options

SERVICE = "MG" + "0" * 32


def test_every_option_is_an_argument_of_the_sdk() -> None:
    known = inspect.signature(MessageList.create_async).parameters

    assert {option.argument for option in OPTIONS.values()} <= set(known)


@pytest.mark.parametrize(
    "options",
    [
        {"media_urls": ["https://cdn.example.org/a.jpg"]},
        {"validity_period": 36000, "smart_encoded": True, "provide_feedback": False},
        {"shorten_urls": True},
        {"content_sid": "HX" + "a" * 32, "content_variables": '{"1": "Ana"}'},
        {"risk_check": "disable", "content_retention": "discard", "attempt": None},
    ],
)
def test_what_twilio_accepts_is_accepted(options: dict[str, Any]) -> None:
    check_options({**options, "messaging_service_sid": SERVICE})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"colour": "red"}, "no option 'colour'"),
        ({"max_price": 1}, "no option 'max_price'"),
        ({"send_at": "2027-01-01T00:00:00Z"}, "no option 'send_at'"),
        ({"validity_period": 0}, "whole number from 1 to 36000"),
        ({"validity_period": True}, "whole number"),
        ({"validity_period": "60"}, "whole number"),
        ({"smart_encoded": "yes"}, "true or false"),
        ({"media_urls": []}, "list of 1 to 10"),
        ({"media_urls": ["https://a.example.org/x"] * 11}, "list of 1 to 10"),
        ({"media_urls": ["http://a.example.org/x"]}, "must begin with https"),
        ({"content_variables": "{"}, "JSON object"),
        ({"risk_check": "maybe"}, "'enable' or 'disable'"),
        ({"content_sid": "XX"}, "begins with HX"),
        ({"shorten_urls": True}, "messaging_service_sid"),
        ({"messaging_service_sid": "SM" + "0" * 32}, "MG and 32 hexadecimal digits"),
        ({"messaging_service_sid": 7}, "MG and 32 hexadecimal digits"),
    ],
)
def test_what_twilio_refuses_is_refused_with_the_reason(
    options: dict[str, list[Any]] | dict[str, Any], says: str
) -> None:
    with pytest.raises(Refused, match=says):
        check_options(options)

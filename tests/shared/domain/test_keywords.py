"""A text that is a keyword asks for something; a text that holds one says something else."""

import pytest

from shared.domain.keywords import Keyword, classify


@pytest.mark.parametrize(
    "body",
    [
        "STOP", "stop", " Stop \n", "Stop.", "“STOP!”", "STOP 🛑", "STOPALL", "stop all",
        "Stop-all", "UNSUBSCRIBE", "cancel", "End", "QUIT", "REVOKE", "OPTOUT", "opt out",
        "Opt-Out", "OPT_OUT",
    ],
)  # fmt: skip
def test_a_stop_word_opts_out_however_it_is_written(body: str) -> None:
    assert classify(body) is Keyword.OPT_OUT


@pytest.mark.parametrize("body", ["START", "unstop", "Start!"])
def test_a_start_word_opts_in(body: str) -> None:
    assert classify(body) is Keyword.OPT_IN


@pytest.mark.parametrize("body", ["HELP", "info", "Help?"])
def test_a_help_word_asks_for_help(body: str) -> None:
    assert classify(body) is Keyword.HELP


@pytest.mark.parametrize(
    "body",
    [
        "YES", "yes", "", " ", "!!!", "please stop by at 7", "Stop it, I'll be there", "the end",
        "cancel my appointment", "stopping", "Reply STOP to opt out", "no", "stop" + "!" * 200,
    ],
)  # fmt: skip
def test_any_other_text_is_no_keyword(body: str) -> None:
    assert classify(body) is None

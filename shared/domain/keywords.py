"""Find the request in a text that consists of one keyword. Pure.

The words are Twilio's defaults for long codes (help.twilio.com/articles/223134027 and
twilio.com/docs/messaging/tutorials/advanced-opt-out); the FCC names the same for opting out, with
"opt out" in two words (47 CFR 64.1200(a)(10)). YES is left out: people confirm appointments with
it.
"""

import re
from enum import StrEnum
from typing import Final


class Keyword(StrEnum):
    """The request of a keyword."""

    OPT_OUT = "opt_out"
    OPT_IN = "opt_in"
    HELP = "help"


_WORDS: Final[dict[str, Keyword]] = {
    **dict.fromkeys(
        ("stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "revoke"),
        Keyword.OPT_OUT,
    ),
    **dict.fromkeys(("optout", "opt out"), Keyword.OPT_OUT),
    **dict.fromkeys(("start", "unstop"), Keyword.OPT_IN),
    **dict.fromkeys(("help", "info"), Keyword.HELP),
}
_LONGEST: Final = 100  # characters; a keyword with its quotation marks and blanks is far shorter
_EDGES: Final = re.compile(r"^[\W_]+|[\W_]+$")
_BETWEEN: Final = re.compile(r"[\s\-_]+")


def classify(body: str) -> Keyword | None:
    """The request, if the whole text is a keyword, in any case and with any marks around it.

    None for any other text, also for a sentence that contains a keyword ("please stop by").
    """
    if len(body) > _LONGEST:
        return None
    return _WORDS.get(_BETWEEN.sub(" ", _EDGES.sub("", body)).casefold())

"""Every error Volley raises on purpose, named for what to do next.

VolleyError
├── InWords            its message is one line for a person: what is wrong, what to do
│   ├── Refused        a person asked for something we will not do; gives the reason and the fix
│   └── Misconfigured  this process lacks a setting, or has a wrong one; a repeat does not help
└── SendError          a provider did not accept a call: shared/providers/errors.py
"""

from typing import Any

from shared.legible import in_one_line
from shared.opaque import Json


class VolleyError(Exception):
    """Base of all errors raised on purpose."""


class InWords(VolleyError):
    """An error whose message is one line for a person: what is wrong, what to do.

    `code` is a word for programs, `details` what they may want to know beside it.
    """

    def __init__(self, code: str, message: str, *, details: Json | None = None) -> None:
        # Both quote text from files: a column's name may contain escapes for a terminal.
        message = in_one_line(message)
        super().__init__(message)
        self.code = code
        self.message = message
        self.details: Json = _readable(details or {})


class Refused(InWords):
    """A request that cannot be met as it stands."""


class Misconfigured(InWords):
    """A process that cannot do its work with the settings it has.

    No `Refused`: a loop that outlives what people ask and what servers do must not outlive this.
    """


def _readable(details: Any) -> Any:
    if isinstance(details, str):
        return in_one_line(details)
    if isinstance(details, dict):
        return {name: _readable(value) for name, value in details.items()}
    return [*map(_readable, details)] if isinstance(details, list | tuple) else details

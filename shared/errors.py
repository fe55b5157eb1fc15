"""Every error Volley raises on purpose, named for what to do next.

VolleyError
├── Refused            a person asked for something we will not do; gives the reason and the fix
└── SendError          a provider did not accept a call: shared/providers/errors.py
"""

from typing import Any

from shared.legible import in_one_line


class VolleyError(Exception):
    """Base of all errors raised on purpose."""


class Refused(VolleyError):
    """A request that we cannot meet. The message is one line: what is wrong, what to do.

    `status` is the HTTP status of the API's answer; the CLI prints the same message.
    """

    def __init__(
        self, code: str, message: str, *, status: int = 422, details: dict[str, Any] | None = None
    ) -> None:
        # Both quote text from files: a column's name may contain escapes for a terminal.
        message = in_one_line(message)
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.details: dict[str, Any] = _readable(details or {})


def _readable(details: Any) -> Any:
    if isinstance(details, str):
        return in_one_line(details)
    if isinstance(details, dict):
        return {name: _readable(value) for name, value in details.items()}
    return [*map(_readable, details)] if isinstance(details, list | tuple) else details

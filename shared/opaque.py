"""JSON whose inside is not ours to know: options, credentials, details of an event."""

from typing import Any, TypeAlias

#: An object as it is stored and handed on; only who wrote it knows what is in it.
Json: TypeAlias = dict[str, Any]

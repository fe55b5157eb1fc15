"""How a field of a view is told: what it means, in which unit, and an example of it.

The same words stand in /openapi.json. A view is a frozen dataclass; its JSON has the fields' names,
and null for None, unless the field is `left_out` while it is None.
"""

from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias, TypeVar

from pydantic import TypeAdapter
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

V = TypeVar("V")

#: An instant in UTC, in ISO 8601 with Z: `2026-11-20T17:10:00.123456Z`.
Instant: TypeAlias = str
#: An example of one.
AN_INSTANT = "2026-11-20T17:10:00.123456Z"


def told(meaning: str, example: Any = None, *, one_of: Iterable[str] | None = None) -> FieldInfo:
    """A field that means this; its text is `one_of` these words."""
    words: JsonDict | None = None
    if one_of is not None:
        words = {"enum": [str(word) for word in one_of]}
    return FieldInfo(description=meaning, examples=[example], json_schema_extra=words)


def left_out(meaning: str, example: Any) -> FieldInfo:
    """A field that means this, and that JSON does not have while it is None."""
    return FieldInfo(
        description=meaning, examples=[example], exclude_if=lambda value: value is None
    )


def extended(wider: type[V], narrow: Any, **more: Any) -> V:
    """The same facts as a `wider` view, which has `more` fields than `narrow`'s class."""
    return wider(**{field.name: getattr(narrow, field.name) for field in fields(narrow)}, **more)


def as_json(view: Any) -> Any:
    """A view, or a list of views, as JSON-ready dicts; anything else as it is."""
    if isinstance(view, list):
        return [as_json(one) for one in view]
    if is_dataclass(view) and not isinstance(view, type):
        return _adapter(type(view)).dump_python(view, mode="json")
    return view


def of_json(view: type[V], document: Any) -> V:
    """The view that this JSON shows; what is not of it is left out."""
    found: V = _adapter(view).validate_python(document)
    return found


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def _adapter(view: type) -> TypeAdapter[Any]:
    # A race of two threads makes one twice, and both are right.
    found = _ADAPTERS.get(view)
    if found is None:
        found = _ADAPTERS[view] = TypeAdapter(view)
    return found

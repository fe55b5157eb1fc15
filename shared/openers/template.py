"""The opener without a model: a template filled with the recipient's fields."""

from collections.abc import Mapping
from functools import lru_cache

from shared.domain.template import Template


def opener(template: str, fields: Mapping[str, str]) -> str:
    """The opener for one recipient. Every placeholder had a value when the row was accepted."""
    return _compiled(template).render(fields)


@lru_cache(maxsize=256)
def _compiled(template: str) -> Template:
    return Template(template)

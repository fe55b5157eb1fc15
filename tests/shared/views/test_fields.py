"""A view is a frozen value: its JSON has its fields' names, and comes back as the same value."""

from collections.abc import Iterator
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

import shared.views
from scheduler.campaigns.status import Retried
from scheduler.http.examples import example
from shared.views.agents import AgentView, HoldView, SenderView
from shared.views.campaigns import Campaign, Progress, Switch
from shared.views.fields import AN_INSTANT, as_json, extended, of_json
from shared.views.reports import Report

#: What is read together and shown as something else.
NO_ANSWERS = {"Entry", "Readings"}


def views() -> Iterator[Any]:
    """Every view there is."""
    for found in iter_modules(shared.views.__path__):
        module = import_module(f"shared.views.{found.name}")
        for name, kind in vars(module).items():
            own = isinstance(kind, type) and kind.__module__ == module.__name__
            if own and is_dataclass(kind) and not name.startswith("_") and name not in NO_ANSWERS:
                yield pytest.param(kind, id=f"{found.name}.{name}")


@pytest.mark.parametrize("view", list(views()))
def test_a_view_is_shown_by_its_own_example_and_reads_it_back(view: type[Any]) -> None:
    shown = example_of(view)

    value = of_json(view, shown)

    assert as_json(value) == shown
    assert list(as_json(value)) == [field.name for field in fields(view)]
    with pytest.raises(FrozenInstanceError):
        setattr(value, fields(view)[0].name, None)


def test_there_are_views_to_be_asked() -> None:
    assert len(list(views())) >= 18


def test_null_stands_for_none_unless_the_field_says_that_it_is_left_out() -> None:
    sender = SenderView(number="+15005550006", primary=True)
    hold = HoldView(scope="agent", code=20003, until=None, fix="Mend it.")

    assert as_json(sender) == {"number": "+15005550006", "primary": True}
    assert as_json(replace(sender, segments_per_day=9, segments_today=0)) == {
        "number": "+15005550006", "primary": True, "segments_per_day": 9, "segments_today": 0,
    }  # fmt: skip
    assert as_json(hold) == {"scope": "agent", "code": 20003, "until": None, "fix": "Mend it."}


def test_a_list_of_views_is_a_list_and_plain_json_is_itself() -> None:
    switch = Switch(stopped=True, stopped_at=AN_INSTANT, stopped_by="ann")

    shown = {"stopped": True, "stopped_at": AN_INSTANT, "stopped_by": "ann"}
    assert as_json([switch, switch]) == [shown, shown]
    assert as_json({"id": 3, "revoked": True}) == {"id": 3, "revoked": True}


def test_what_a_later_program_shows_besides_is_left_out_and_another_kind_is_refused() -> None:
    shown = {"stopped": False, "stopped_at": None, "stopped_by": None}

    assert of_json(Switch, shown | {"more": 1}) == Switch(
        stopped=False, stopped_at=None, stopped_by=None
    )
    with pytest.raises(ValidationError):
        of_json(Switch, shown | {"stopped": "perhaps"})
    with pytest.raises(ValidationError):
        of_json(Report, {"rows": 3})


def test_a_wider_view_has_all_of_the_narrow_one_and_what_it_adds() -> None:
    narrow = of_json(Campaign, example_of(Campaign))

    wide = extended(Retried, narrow, retried=3)

    assert as_json(wide) == as_json(narrow) | {"retried": 3}
    assert isinstance(wide, Progress)
    with pytest.raises(TypeError):
        extended(AgentView, narrow)


def example_of(view: type[Any]) -> Any:
    """The example that the API's description has of it."""
    schema = TypeAdapter(view).json_schema(ref_template="#/components/schemas/{model}")
    return example(schema, schema.get("$defs", {}))

"""The doctor looks whether the stack runs and whether what is due goes out."""

import pytest

from deploy.local.doctor import progress as check
from deploy.local.doctor.finding import Verdict
from scheduler.dispatch.leases import Leases
from shared.settings import settings
from tests.support import factories
from tests.support.ledger import Scene


@pytest.fixture(autouse=True)
def a_short_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "LOOK_SECONDS", 0.1)


@pytest.mark.usefixtures("database")
def test_nothing_due_is_well() -> None:
    found = check.progress(settings(), None)

    assert found is not None
    assert (found.verdict, found.says) == (Verdict.OK, "nothing to send")


@pytest.mark.usefixtures("database")
def test_a_due_message_that_does_not_move_is_told_with_the_mend() -> None:
    Scene().message()
    factories.change("UPDATE message SET due_at = now() - interval '5 min'")

    found = check.progress(settings(), None)

    assert found is not None
    assert found.verdict is Verdict.WARN
    assert found.says.startswith("1 running campaign, and the oldest due message has waited 300 s")
    assert "volley up" in found.fix


@pytest.mark.usefixtures("database")
def test_while_sending_is_stopped_nothing_is_late() -> None:
    Scene().message()
    factories.change("UPDATE message SET due_at = now() - interval '5 min'")
    factories.change("UPDATE control SET stopped_at = now()")

    found = check.progress(settings(), None)

    assert found is not None
    assert (found.verdict, found.says) == (Verdict.OK, "1 running campaign")


@pytest.mark.usefixtures("database")
def test_agents_without_a_scheduler_are_told_of_once_a_campaign_runs() -> None:
    idle = check.schedulers(settings(), None)
    Scene()
    alone = check.schedulers(settings(), None)

    Leases("ann").refresh()
    well = check.schedulers(settings(), None)

    assert [found and found.verdict for found in (idle, alone, well)] == [
        Verdict.OK,
        Verdict.WARN,
        Verdict.OK,
    ]
    assert well is not None
    assert well.says == "1 living, with 64 of the 64 shards of the agents"


def test_no_stack_is_said_and_is_no_fault() -> None:
    assert check.stack_line(None).verdict is Verdict.OK

"""What became of a file of opt-outs: who is suppressed, who is left out, and why."""

import io

import pytest

from scheduler.agents import store
from scheduler.agents.settings import NewAgent
from scheduler.ingest import Reading
from scheduler.people import suppressions
from scheduler.people.suppressions import Imported, NewSuppression
from shared.errors import Refused

OURS = "+15005550006"
LOG = (
    "From,To,Body,Status,SentDate,ApiVersion,NumSegments,ErrorCode,AccountSid,Sid,Direction\n"
    f"{OURS},+12025550101,Hi Ana,delivered,x,x,1,,AC0,SM1,outbound-api\n"
    f"+12025550101,{OURS},STOP,received,x,x,1,,AC0,SM2,inbound\n"
    f"+12025550102,{OURS},yes,received,x,x,1,,AC0,SM3,inbound\n"
    f"12,{OURS},STOP,received,x,x,1,,AC0,SM4,inbound\n"
)

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def _agent(database: str) -> None:
    new = NewAgent.model_validate({"id": "sales", "senders": [OURS]})
    store.create(new, actor="cli:test")


def imported(text: str, **more: object) -> Imported:
    return suppressions.import_file(
        io.BytesIO(text.encode()),
        filename="f.csv",
        region=None,
        actor="cli:test",
        **more,  # type: ignore[arg-type]
    )


def listed() -> dict[str, str | None]:
    return {entry.number: entry.reason for entry in suppressions.page()}


def test_a_log_of_twilio_suppresses_who_said_stop_and_not_our_own_sender() -> None:
    done = imported(LOG)

    assert listed() == {"+12025550101": "texted STOP"}
    assert (done.added, done.already) == (1, 0)
    assert [(t.code, t.count, t.rows) for t in done.left_out] == [
        ("outbound", 1, [2]),
        ("no_stop_word", 1, [4]),
    ]
    assert [(r.row, r.value, r.code) for r in done.rejected] == [(5, "12", "invalid_phone")]


def test_our_own_sender_is_suppressed_only_when_it_is_meant() -> None:
    file = f"phone\n{OURS}\n+12025550101\n"

    kept = imported(file)
    before = listed()
    meant = imported(file, own_senders=True)

    assert list(before) == ["+12025550101"]
    assert [(r.row, r.code) for r in kept.rejected] == [(2, "own_sender")]
    assert "sales" in kept.rejected[0].reason and "--yes" in kept.rejected[0].fix
    assert (meant.added, meant.already, meant.rejected) == (1, 1, [])
    assert OURS in listed()


def test_the_numbers_of_a_deleted_agent_are_still_ours() -> None:
    store.delete("sales", actor="cli:test")

    done = imported(f"phone\n{OURS}\n")

    assert [r.code for r in done.rejected] == ["own_sender"]


def test_a_list_over_the_api_spares_our_own_senders_and_one_alone_is_meant() -> None:
    given = [NewSuppression(number=OURS), NewSuppression(number="+12025550101")]

    done = suppressions.add_all(given, actor="key:test")
    before = listed()
    suppressions.add(NewSuppression(number=OURS), actor="key:test")

    assert (done.added, [r.code for r in done.rejected]) == (1, ["own_sender"])
    assert OURS not in before
    assert OURS in listed()


def test_the_same_number_twice_is_suppressed_once() -> None:
    done = imported("phone\n+12025550101\n(202) 555-0101\n")

    assert (done.added, done.already) == (1, 1)


def test_more_numbers_than_one_transaction_takes_are_all_suppressed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(suppressions, "_BATCH", 3)

    done = imported("phone\n" + "".join(f"+120255501{n:02}\n" for n in range(10)))

    assert (done.added, len(listed())) == (10, 10)


@pytest.mark.parametrize(
    "file",
    [
        "phone,mobile\n+12025550101,+12025550102\n",
        "phone,email_opt_out\n+12025550101,yes\n",
        "from,to,status\n+12025550101,+15005550006,x\n",
        "phone,text\n+12025550101,Hi\n",
    ],
)
def test_a_file_that_is_refused_suppresses_nobody(file: str) -> None:
    with pytest.raises(Refused):
        imported(file)

    assert listed() == {}


def test_the_first_rows_of_a_reason_are_told_and_all_are_counted() -> None:
    done = imported("phone,opted_out\n" + "".join(f"+120255501{n:02},no\n" for n in range(30)))

    (told,) = done.left_out
    assert (told.code, told.count, told.rows) == ("not_opted_out", 30, list(range(2, 12)))


def test_a_delimiter_is_taken_as_it_was_given() -> None:
    done = imported("phone|name, first\n+12025550101|Ana\n", reading=Reading(delimiter="|"))

    assert done.added == 1

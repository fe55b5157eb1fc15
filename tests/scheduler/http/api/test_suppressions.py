"""Numbers nobody may text: from the answer on, whatever was about to be claimed."""

import io
import threading
import time

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import text

from scheduler.people import suppressions
from shared.db.session import transaction
from shared.errors import Refused
from shared.ledger.claim import GATE


def test_a_number_is_suppressed_however_it_is_written(api: TestClient) -> None:
    first = api.post("/api/suppressions", json={"number": "(202) 555-0123", "reason": "by phone"})
    again = api.post("/api/suppressions", json={"number": "+1 202 555 0123"})

    listed = api.get("/api/suppressions").json()["data"]
    assert (first.status_code, again.status_code) == (201, 200)
    assert [(entry["number"], entry["reason"]) for entry in listed] == [
        ("+12025550123", "by phone")
    ]


def test_one_that_cannot_be_read_does_not_keep_the_others_from_being_kept(api: TestClient) -> None:
    answer = api.post(
        "/api/suppressions",
        json=[{"number": "+12025550101"}, {"number": "nobody"}, {"number": "+12025550102"}],
    ).json()

    assert answer["added"] == 2
    assert [(r["row"], r["value"]) for r in answer["rejected"]] == [(2, "nobody")]
    assert answer["rejected"][0]["fix"]


def test_it_is_lifted_by_its_number_and_only_once(api: TestClient) -> None:
    api.post("/api/suppressions", json={"number": "+12025550123"})

    lifted = api.delete("/api/suppressions/+12025550123")
    again = api.delete("/api/suppressions/2025550123")

    assert (lifted.status_code, again.status_code) == (204, 404)
    assert again.json()["error"]["code"] == "not_suppressed"


def test_the_list_goes_on_behind_a_number_even_when_its_plus_was_not_escaped(
    api: TestClient,
) -> None:
    api.post("/api/suppressions", json=[{"number": f"+1202555010{n}"} for n in range(3)])

    rest = api.get("/api/suppressions?after=+12025550100").json()["data"]

    assert [entry["number"] for entry in rest] == ["+12025550101", "+12025550102"]


def test_a_scope_that_is_not_built_yet_is_not_pretended(api: TestClient) -> None:
    answer = api.post("/api/suppressions", json={"number": "+12025550123", "scope": "agent:x"})

    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "not_available"


def test_the_answer_waits_for_claims_that_had_not_seen_it(api: TestClient) -> None:
    order: list[str] = []
    with transaction() as claiming:
        claiming.execute(text("SELECT pg_advisory_xact_lock_shared(:gate)"), {"gate": GATE})

        def suppress() -> None:
            api.post("/api/suppressions", json={"number": "+12025550123"})
            order.append("answered")

        asking = threading.Thread(target=suppress)
        asking.start()
        time.sleep(0.3)
        order.append("claimed")
    asking.join()

    assert order == ["claimed", "answered"]


def test_a_claim_that_froze_holds_no_stop_up(api: TestClient) -> None:
    with transaction() as frozen:
        frozen.execute(text("SELECT pg_advisory_xact_lock_shared(:gate)"), {"gate": GATE})
        answer = api.post("/api/suppressions", json={"number": "+12025550123"})

    assert answer.status_code == 201


@pytest.mark.parametrize(
    "file",
    [
        "+12025550101\n2025550102\nnobody\n",
        "phone,reason\n+12025550101,moved\n2025550102,\nnobody,\n",
        "\ufeffMobile;Reason\n+12025550101;moved\n2025550102;\nnobody;\n",
    ],
)
@pytest.mark.usefixtures("database")
def test_a_file_of_numbers_is_read_with_or_without_a_header(file: str) -> None:
    done = suppressions.import_file(
        io.BytesIO(file.encode()), filename="stop.csv", region=None, actor="cli:test"
    )

    listed = [entry.number for entry in suppressions.page()]
    assert (done.added, done.already, len(done.rejected)) == (2, 0, 1)
    assert listed == ["+12025550101", "+12025550102"]


def test_an_argentine_handset_is_suppressed_and_lifted_with_and_without_its_9(
    api: TestClient,
) -> None:
    first = api.post("/api/suppressions", json={"number": "+54 9 11 2345-6789"})
    same = api.post("/api/suppressions", json={"number": "+54 11 2345-6789"})
    listed = {entry["number"] for entry in api.get("/api/suppressions").json()["data"]}
    api.delete("/api/suppressions/+541123456789")

    assert (first.status_code, same.status_code) == (201, 200)
    assert listed == {"+5491123456789", "+541123456789"}
    assert api.get("/api/suppressions").json()["data"] == []


def test_a_doubtful_number_is_refused_here_as_in_a_file(api: TestClient) -> None:
    for number in ("-2025550123", ".+1 202 555 012", "2025550123\u00b2", "+1 202 555 0123 +1"):
        answer = api.post("/api/suppressions", json={"number": number})
        assert answer.status_code == 422, number
    premium = api.post("/api/suppressions", json={"number": "+1 900 234 5678"})

    assert premium.json()["error"]["code"] == "premium_number"
    assert api.get("/api/suppressions").json()["data"] == []


def test_an_imported_list_is_read_with_its_region_and_its_column_of_calling_codes(
    api: TestClient,
) -> None:
    bare = io.BytesIO(b"07400 123456\n07400 123457\n")
    table = io.BytesIO(b"country_code,phone\n49,0171 3369876\n1,0171 3369877\n")

    one = suppressions.import_file(bare, filename="a.txt", region="UK", actor="test")
    two = suppressions.import_file(table, filename="b.csv", region=None, actor="test")

    assert (one.added, one.rejected) == (2, [])
    assert (two.added, [r.row for r in two.rejected]) == (1, [3])
    assert {entry["number"] for entry in api.get("/api/suppressions").json()["data"]} == {
        "+447400123456",
        "+447400123457",
        "+491713369876",
    }


def test_an_unknown_region_is_refused_before_any_number_is_kept(api: TestClient) -> None:
    with pytest.raises(Refused) as refused:
        suppressions.import_file(io.BytesIO(b"phone\n1\n"), filename="a", region="XX", actor="t")

    assert refused.value.code == "unknown_region"

"""A campaign's messages: in pages, in files, and one with its whole story."""

import csv
import io
import uuid
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import text

from scheduler.ingest.rejects import unguarded
from shared.db.session import transaction

_ROWS = (
    "phone,first name,status,note\n"
    "+12025550101,Ana,vip,=1+1\n"
    "+12025550102,Bo,,@sum\n"
    '+12025550103,"Zoë, Ж",,\n'
    "12,-Cy,,=2+2\n"
)


def test_messages_come_in_pages_and_by_status(api: TestClient, upload: Any) -> None:
    path = f"/api/campaigns/{upload(_ROWS, message='Hi {first name}').json()['id']}/messages"
    first = api.get(f"{path}?limit=2").json()
    _set("status = 'failed', due_at = NULL", first["data"][0]["id"])

    rest = api.get(f"{path}?limit=2&after={first['data'][-1]['id']}").json()
    failed = api.get(f"{path}?status=failed").json()["data"]
    several = api.get(f"{path}?status=failed&status=ready").json()["data"]

    assert ([m["row"] for m in first["data"]], first["has_more"]) == ([2, 3], True)
    assert ([m["row"] for m in rest["data"]], rest["has_more"]) == ([4], False)
    assert [m["row"] for m in failed] == [2]
    assert len(several) == 3


def test_a_message_shows_what_its_reader_will_see_and_pay(api: TestClient, upload: Any) -> None:
    campaign_id = upload(_ROWS, message="Hi {first name}").json()["id"]

    shown = api.get(f"/api/campaigns/{campaign_id}/messages").json()["data"][2]

    assert (shown["to"], shown["body"]) == ("+12025550103", "Hi Zoë, Ж")
    assert (shown["encoding"], shown["segments"], shown["attempts"]) == ("UCS-2", 1, 0)
    assert shown["parts"] == [{"index": 0, "sid": None, "status": "ready"}]


def test_parts_that_never_went_end_as_what_stopped_them(api: TestClient, upload: Any) -> None:
    path = (
        f"/api/campaigns/{upload(_ROWS, message='long ' * 60, split_at=100).json()['id']}/messages"
    )
    message_id = api.get(path).json()["data"][0]["id"]
    _attempt(message_id, part=0, sid="SM1", status="delivered")
    _attempt(message_id, part=1, sid=None, status="failed")
    _set("status = 'failed', due_at = NULL, part = 1", message_id)

    parts = api.get(path).json()["data"][0]["parts"]

    assert [part["status"] for part in parts] == ["delivered", "failed", "cancelled", "cancelled"][
        : len(parts)
    ]
    assert len(parts) > 2
    assert parts[0]["sid"] == "SM1"


def test_the_export_is_safe_in_a_spreadsheet_and_loses_nothing(
    api: TestClient, upload: Any
) -> None:
    campaign_id = upload(_ROWS, message="Hi {first name}").json()["id"]

    answer = api.get(f"/api/campaigns/{campaign_id}/messages.csv")

    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"), newline="")))
    assert answer.content.startswith(b"\xef\xbb\xbfid,row,to")  # or Excel takes it for Latin-1
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    assert [row["to"] for row in rows][:1] == ["'+12025550101"]
    assert [unguarded(row["note"]) for row in rows] == ["=1+1", "@sum", ""]
    assert not any(cell[:1] in "=+-@" for row in rows for cell in row.values() if cell)
    assert rows[0]["file.status"] == "vip"
    assert rows[0]["status"] == "ready"
    assert rows[2]["first name"] == "Zoë, Ж"


def test_an_export_of_more_than_one_page_has_one_header_and_every_row(
    api: TestClient, upload: Any
) -> None:
    numbers = [f"+1202555{n:04}" for n in range(100, 200)]
    bad = [str(n) for n in range(10, 1300)]
    rows = "phone\n" + "\n".join(numbers + bad)
    path = f"/api/campaigns/{upload(rows, message='Hi').json()['id']}"

    messages = api.get(f"{path}/messages.csv").text.splitlines()
    rejects = api.get(f"{path}/rejects.csv").text.splitlines()

    accepted = api.get(path).json()["report"]["accepted"]
    assert len(messages) == 1 + accepted
    assert len(rejects) == 1 + len(numbers) + len(bad) - accepted
    assert sum(line.lstrip("\ufeff").startswith("phone,volley_row") for line in rejects) == 1


def test_a_row_mended_to_a_number_that_its_file_had_already_is_a_duplicate(
    api: TestClient, upload: Any
) -> None:
    first = upload("phone,first name\n+12025550111,Ana\n12,Bo\n", message="Hi {first name}")
    path = f"/api/campaigns/{first.json()['id']}"
    rejects = api.get(f"{path}/rejects.csv").text

    again = upload(rejects.replace("12,", "+12025550111,", 1), message="Hi {first name}")

    (reject,) = again.json()["report"]["rejects"]
    assert reject["code"] == "duplicate"
    assert again.json()["report"]["accepted"] == 0


def test_rejects_that_were_mended_can_be_uploaded_as_they_are(api: TestClient, upload: Any) -> None:
    campaign_id = upload(_ROWS, message="Hi {first name}").json()["id"]
    rejects = api.get(f"/api/campaigns/{campaign_id}/rejects.csv").text

    again = upload(rejects.replace("12,", "+12025550112,", 1), message="Hi {first name}")

    body = api.get(f"/api/campaigns/{again.json()['id']}/messages").json()["data"][0]["body"]
    assert (again.json()["report"]["accepted"], body) == (1, "Hi -Cy")


def test_a_messages_story_is_told_in_the_order_it_happened(api: TestClient, upload: Any) -> None:
    campaign_id = upload(_ROWS, message="Hi {first name}").json()["id"]
    message_id = api.get(f"/api/campaigns/{campaign_id}/messages").json()["data"][0]["id"]
    _attempt(message_id, part=0, sid="SM1", status="delivered", outcome="accepted")
    with transaction() as connection:
        connection.execute(
            text("""
                INSERT INTO callback (received_at, provider, message_id, part, token, sid, status,
                                      rank, raw, applied, account)
                SELECT now() + interval '1 s', 'twilio', message_id, 0, token, sid, 'delivered', 3,
                       'raw', true, 'twilio:AC1' FROM attempt
            """)
        )
        connection.execute(
            text("""
                INSERT INTO event (at, message_id, kind, details)
                VALUES (now() - interval '1 h', :id, 'expired', '{"by": "claim"}')
            """),
            {"id": message_id},
        )

    story = api.get(f"/api/messages/{message_id}").json()

    kinds = [entry["kind"] for entry in story["timeline"]]
    assert kinds == ["expired", "claimed", "accepted", "callback"]
    assert "SM1" in story["timeline"][2]["text"]
    assert story["timeline"][3]["attempt"] == 1
    assert all(entry["text"] and entry["at"].endswith("Z") for entry in story["timeline"])
    assert story["fields"]["first name"] == "Ana"


def _attempt(
    message_id: int, *, part: int, sid: str | None, status: str, outcome: str | None = None
) -> None:
    with transaction() as connection:
        connection.execute(
            text("""
                INSERT INTO attempt (message_id, part, n, token, status, sid, claimed_at,
                                     claimed_by, recorded_at, outcome)
                VALUES (:id, :part, :part + 1, :token, :status, :sid, now() - interval '1 s', 'w',
                        now(), :outcome)
            """),
            {
                "id": message_id,
                "part": part,
                "token": uuid.uuid4(),
                "status": status,
                "sid": sid,
                "outcome": outcome,
            },
        )


def _set(changes: str, message_id: int) -> None:
    with transaction() as connection:
        connection.execute(text(f"UPDATE message SET {changes} WHERE id = :id"), {"id": message_id})

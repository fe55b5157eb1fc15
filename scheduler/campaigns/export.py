"""A campaign's messages and rejects as CSV, piece by piece: a million rows take no memory.

Every page is a transaction of its own, so an export that a slow client reads for an hour holds back
nothing. Safe to open in a spreadsheet: what it would take for a formula gets an apostrophe before
it, phone numbers included, and our own reader takes it away again.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import Final

from scheduler.campaigns import status
from scheduler.ingest import uploads
from scheduler.ingest.load.reread import rejected_again
from scheduler.ingest.rejects import Reject, guarded, write_rejects
from shared.db.session import transaction
from shared.errors import Refused
from shared.views import messages

#: Without it Excel takes UTF-8 for the code page of its machine.
BOM: Final = "\ufeff"
_PAGE: Final = 1000
_SIDS: Final = "sids"
_COLUMNS: Final = (
    "id",
    "row",
    "to",
    "status",
    "attempts",
    "error_code",
    "error_message",
    "segments",
    "encoding",
    _SIDS,
    "agent_id",
    "sender",
    "body",
    "created_at",
    "sent_at",
    "delivered_at",
)
_BEFORE_SIDS: Final = attrgetter(*_COLUMNS[: _COLUMNS.index(_SIDS)])
_BEHIND_SIDS: Final = attrgetter(*_COLUMNS[_COLUMNS.index(_SIDS) + 1 :])


def messages_csv(campaign_id: int) -> Iterator[str]:
    """Each recipient's latest message, then the columns of the file they came from.

    They are as they were read: trimmed, the phone in E.164. A file's column that has the name of
    one of ours is called `file.<name>`. Raises Refused.
    """
    own = _header(campaign_id)
    return _message_pieces(campaign_id, own)


def rejects_csv(campaign_id: int) -> Iterator[str]:
    """The rows that were not accepted, with why: to be mended and uploaded. Raises Refused.

    Where the table has not all of them (`ingest.kept`), they are found anew in the stored file.
    """
    own = _header(campaign_id)
    with transaction() as connection:
        origin = uploads.origin(connection, campaign_id)
        kept = uploads.kept(connection, campaign_id)
    rejects = rejected_again(kept) if kept else _in_table(campaign_id)
    return _reject_pieces(rejects, own, origin)


def rereads_file(campaign_id: int) -> bool:
    """Whether `rejects_csv` reads the stored file anew. Raises Refused."""
    _header(campaign_id)
    with transaction() as connection:
        return uploads.kept(connection, campaign_id) is not None


def _header(campaign_id: int) -> list[str]:
    with transaction() as connection:
        found = messages.header(connection, campaign_id)
    if found is None:
        raise Refused("campaign_not_found", f"There is no campaign {campaign_id}.")
    return found


def _message_pieces(campaign_id: int, own: Sequence[str]) -> Iterator[str]:
    named = [f"file.{name}" if name in _COLUMNS else name for name in own]
    yield BOM + _written([[*_COLUMNS, *named]])
    after = 0
    while True:
        with transaction() as connection:
            found = messages.page(connection, campaign_id, after=after, limit=_PAGE)
        if not found:
            return
        yield _written(_cells(entry, own) for entry in found)
        after = found[-1].message.id


def _cells(entry: messages.Entry, own: Sequence[str]) -> list[object]:
    ours = _of_ours(status.told(entry))
    return [*ours, *(entry.fields.get(name, "") for name in own)]


def _of_ours(message: messages.Message) -> list[object]:
    """Its cells, in the order of the columns."""
    sids = " ".join(part.sid or "" for part in message.parts)
    return [*_BEFORE_SIDS(message), sids, *_BEHIND_SIDS(message)]


def _written(rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    for row in rows:
        writer.writerow(["" if cell is None else guarded(str(cell)) for cell in row])
    return out.getvalue()


def _reject_pieces(rejects: Iterator[Reject], own: Sequence[str], origin: str) -> Iterator[str]:
    first = True
    while some := list(islice(rejects, _PAGE)):
        out = io.StringIO(newline="")
        write_rejects(out, own, some, origin=origin)
        text = out.getvalue()
        # Only the first piece keeps the header, which may itself hold line breaks.
        yield BOM + text if first else text.removeprefix(_head(own, origin))
        first = False
    if first:
        yield BOM + _head(own, origin)


def _in_table(campaign_id: int) -> Iterator[Reject]:
    after = 0
    while True:
        with transaction() as connection:
            found = messages.rejects(connection, campaign_id, after=after, limit=_PAGE)
        yield from (Reject(**row._mapping) for row in found)
        if len(found) < _PAGE:
            return
        after = found[-1].row


def _head(own: Sequence[str], origin: str) -> str:
    out = io.StringIO(newline="")
    write_rejects(out, own, [], origin=origin)
    return out.getvalue()

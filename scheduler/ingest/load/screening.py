"""Looks the numbers of good rows up: suppressed, or had by the file a row was rejected from."""

from typing import Final

from scheduler.ingest.check.accepted import AcceptedRows
from scheduler.ingest.check.validator import Objection
from scheduler.ingest.read.rows import Rows
from scheduler.ingest.rejects import RejectCode
from shared.db.session import transaction
from shared.ledger import screened


class Screening:
    """The lists as they are now; for rows up to `loaded_row` as they were at their import."""

    def __init__(self, rows: Rows, *, campaign_id: int, loaded_row: int) -> None:
        self._rows = rows
        self._campaign_id = campaign_id
        self._loaded_row = loaded_row

    def __call__(self, accepted: AcceptedRows) -> dict[int, Objection]:
        """The objections to these rows, by row."""
        if not len(accepted):
            return {}
        former = {}
        if accepted.rows[0] <= self._loaded_row:
            former = _noted(self._campaign_id, accepted)
            accepted = accepted.behind(self._loaded_row)
        return former | self._now(accepted) if len(accepted) else former

    def _now(self, accepted: AcceptedRows) -> dict[int, Objection]:
        with transaction() as connection:
            suppressed = screened.suppressed(connection, accepted.phones)
            standing = screened.standing(connection, accepted.phones, self._rows.origins)
        if not suppressed and not standing:
            return {}
        objections = {phone: _is_standing(phone, *at) for phone, at in standing.items()}
        objections |= dict.fromkeys(suppressed, _SUPPRESSED)
        return {
            row: objections[phone]
            for row, phone in zip(accepted.rows, accepted.phones, strict=True)
            if phone in objections
        }


class AsItWas:
    """What an import that is over objected to.

    A row that it rejected and that is good to the reader of today is objected to as well: it has
    not become a recipient, and must not be lost between two versions.
    """

    def __init__(self, campaign_id: int) -> None:
        self._campaign_id = campaign_id

    def __call__(self, accepted: AcceptedRows) -> dict[int, Objection]:
        """The objections to these rows, by row."""
        if not len(accepted):
            return {}
        noted = _noted(self._campaign_id, accepted)
        first, last = accepted.rows[0], accepted.rows[-1]
        with transaction() as connection:
            had = screened.recipients(connection, self._campaign_id, first=first, last=last)
        left = (row for row in accepted.rows if row not in had)
        return dict.fromkeys(left, _LEFT_OUT) | noted


def _noted(campaign_id: int, accepted: AcceptedRows) -> dict[int, Objection]:
    first, last = accepted.rows[0], accepted.rows[-1]
    with transaction() as connection:
        found = screened.verdicts(connection, campaign_id, first=first, last=last)
    rows = found.keys() & accepted.rows
    return {row: Objection(RejectCode(found[row][0]), *found[row][1:]) for row in rows}


_SUPPRESSED: Final = Objection(
    RejectCode.SUPPRESSED,
    "This number is on the suppression list.",
    "Leave it out; if the person asked to be texted again, remove the suppression first.",
)
_LEFT_OUT: Final = Objection(
    RejectCode.LEFT_OUT,
    "An older version of Volley rejected this row; the one that runs now would accept it.",
    "Upload it again as it is.",
)


def _is_standing(phone: str, campaign_id: int, row: int) -> Objection:
    return Objection(
        RejectCode.DUPLICATE,
        f"{phone} is in campaign {campaign_id} already, in row {row} of the file this row was "
        "rejected from.",
        "Leave it out, or correct the number: each number is texted once.",
    )

"""What our lists say to the rows of a file: now, and at its import, by row number."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, text

from shared.domain.handset import forms

_SUPPRESSED = text("""
    SELECT phone FROM suppression
    WHERE scope = 'all' AND phone = ANY (string_to_array(:phones, ','))
""")
_OF_FILES = text("""
    SELECT c.id FROM campaign c JOIN upload u ON u.id = c.upload_id
    WHERE u.sha256 = ANY (CAST(:origins AS text[]))
""")
# Number by number through the index on phone: a join, or the index on campaign (hence the + 0),
# would read all recipients for each chunk.
_STANDING = text("""
    SELECT given.phone, former.campaign_id, former.row
    FROM unnest(string_to_array(:phones, ',')) AS given(phone) CROSS JOIN LATERAL (
        SELECT r.campaign_id, r.row FROM recipient r
        WHERE r.phone = given.phone AND r.campaign_id + 0 = ANY (CAST(:campaigns AS int[]))
        LIMIT 1
    ) former
""")
_VERDICTS = text("""
    SELECT "row", code, reason, fix FROM reject
    WHERE campaign_id = :campaign_id AND "row" BETWEEN :first AND :last
""")
_RECIPIENTS = text("""
    SELECT "row" FROM recipient
    WHERE campaign_id = :campaign_id AND "row" BETWEEN :first AND :last
""")


def verdicts(
    connection: Connection, campaign_id: int, *, first: int, last: int
) -> dict[int, tuple[str, str, str]]:
    """Code, reason and fix of the rejects that are kept, of rows `first` to `last`."""
    parameters = {"campaign_id": campaign_id, "first": first, "last": last}
    return {
        row: (code, why, fix) for row, code, why, fix in connection.execute(_VERDICTS, parameters)
    }


def recipients(connection: Connection, campaign_id: int, *, first: int, last: int) -> set[int]:
    """Those of the rows `first` to `last` that became recipients."""
    parameters = {"campaign_id": campaign_id, "first": first, "last": last}
    return set(connection.execute(_RECIPIENTS, parameters).scalars())


def suppressed(connection: Connection, phones: Sequence[str]) -> set[str]:
    """Those of `phones` that must not be texted."""
    return set(connection.execute(_SUPPRESSED, {"phones": ",".join(phones)}).scalars())


def standing(
    connection: Connection, phones: Sequence[str], origins: Collection[str]
) -> dict[str, tuple[int, int]]:
    """Those of `phones` whose handset campaigns of the files `origins` have: (campaign, row).

    An origin is the SHA-256 of a file, in hexadecimal digits.
    """
    if not origins:
        return {}
    campaigns = list(connection.execute(_OF_FILES, {"origins": list(origins)}).scalars())
    asked = {form: phone for phone in phones for form in forms(phone)}
    parameters = {"phones": ",".join(asked), "campaigns": campaigns}
    found = connection.execute(_STANDING, parameters).fetchall() if campaigns else ()
    return {asked[phone]: (campaign_id, row) for phone, campaign_id, row in found}

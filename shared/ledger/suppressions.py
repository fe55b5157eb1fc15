"""The numbers that must not be texted."""

from collections.abc import Iterable

from sqlalchemy import Connection, text

from shared.domain.handset import forms

_ADD = text("""
    INSERT INTO suppression (phone, scope, reason, source)
    SELECT phone, :scope, reason, :source
    FROM unnest(CAST(:phones AS text[]), CAST(:reasons AS text[])) AS given(phone, reason)
    ORDER BY phone ON CONFLICT DO NOTHING RETURNING phone
""")
_REMOVE = text("DELETE FROM suppression WHERE phone = ANY(:phones) RETURNING phone")


def add(
    connection: Connection, numbers: Iterable[tuple[str, str | None]], *, scope: str, source: str
) -> set[str]:
    """Suppress (number, reason) each; returns the numbers that were not suppressed before.

    Another number of the same handset is suppressed with it (`handset.forms`).
    """
    given = dict(numbers)
    reasons = {form: why for number, why in given.items() for form in forms(number)} | given
    parameters = {
        "phones": list(reasons),
        "reasons": list(reasons.values()),
        "scope": scope,
        "source": source,
    }
    return set(connection.execute(_ADD, parameters).scalars()) & given.keys()


def remove(connection: Connection, phone: str) -> bool:
    """Lift the suppressions of a number's handset; False when it had none."""
    return connection.execute(_REMOVE, {"phones": list(forms(phone))}).first() is not None

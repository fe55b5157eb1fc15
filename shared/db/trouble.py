"""Explain database errors to operators: one sentence, and what to do."""

from psycopg import Error
from psycopg import errors as pg

_ADDRESS = "VOLLEY_DATABASE_URL"


def explain(error: BaseException) -> str | None:
    """One line about an error that a person can fix; None for any other, which is a bug."""
    for kind, sentence in _SENTENCES.items():
        if isinstance(error, kind):
            return sentence.format(reason=reason(error))
    return None


def reason(error: BaseException) -> str:
    """The cause from the error's text, on one line; libpq puts the address before it."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    return " ".join(first.rpartition(" failed: ")[2].removeprefix("FATAL:").split()).rstrip(".")


#: The first match counts.
_SENTENCES: dict[type[Error], str] = {
    pg.ReadOnlySqlTransaction: "the database is read-only, as a standby is: let "
    f"{_ADDRESS} name the primary, or end default_transaction_read_only",
    pg.InsufficientPrivilege: "the database does not let its role do that ({reason}): grant it "
    f"the right, or let {_ADDRESS} name the owner of the tables",
    pg.UndefinedTable: "the database has no schema, or an old one: run 'volley migrate'",
    pg.UndefinedColumn: "the database has an old schema, or one newer than this program: "
    "'volley doctor' tells which",
    pg.UndefinedFunction: "the database has an old schema, or one newer than this program: "
    "'volley doctor' tells which",
    pg.DiskFull: "the database's disk is full: make room there",
    pg.TooManyConnections: "the database has no connection left: raise its max_connections, or "
    "run fewer processes",
    pg.QueryCanceled: "the database took too long, or somebody cancelled the query: try again",
    pg.DataError: "a value cannot be stored: a number is too large, or a text holds a NUL",
    pg.OperationalError: "the database does not answer ({reason}): is it running, and is "
    f"{_ADDRESS} right? 'volley doctor' tells more",
    pg.InterfaceError: "the database does not answer ({reason}): is it running, and is "
    f"{_ADDRESS} right? 'volley doctor' tells more",
}

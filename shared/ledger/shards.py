"""Who dispatches for which agents: shards are leased, for a while, on Postgres's clock alone.

Each call is one statement that never waits for another's lock (SKIP LOCKED), to be run in a
transaction of its own: see `shared.db.session.statement`.
"""

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, text

#: Agents are dealt by `key % SHARDS`. A fixed number: the rows are made with the table.
SHARDS: Final = 64
ALL: Final = frozenset(range(SHARDS))

# The share: all shards divided by the living, and one more for the first of them by name, so that
# the shares of all together are exactly all shards. Each row is renewed, given up or taken. The
# order is by steps of 39 (of 64: near the golden section): agents' keys are 1, 2, 3 …, and where
# there are few, neighbours must be dealt evenly too.
_TAKE = text("""
    WITH lives AS (
        INSERT INTO scheduler (name, until) VALUES (:name, now() + :length)
        ON CONFLICT (name) DO UPDATE SET until = excluded.until
    ), forgotten AS (
        DELETE FROM scheduler WHERE name IN (
            SELECT name FROM scheduler WHERE until < now() - interval '1 hour' AND name <> :name
            FOR UPDATE SKIP LOCKED)
    ), share AS (
        SELECT (:shards + count(*) - count(*) FILTER (WHERE name < :name)) / (count(*) + 1) AS most
        FROM scheduler WHERE until > now() AND name <> :name
    ), held AS MATERIALIZED (
        SELECT shard FROM lease WHERE holder = :name FOR UPDATE SKIP LOCKED
    ), kept AS MATERIALIZED (
        SELECT shard FROM held ORDER BY shard * 39 % 64 LIMIT (SELECT most FROM share)
    ), free AS MATERIALIZED (
        SELECT shard FROM lease
        WHERE holder IS NULL OR (until <= now() AND holder <> :name) ORDER BY shard * 39 % 64
        LIMIT (SELECT greatest(most - (SELECT count(*) FROM held), 0) FROM share)
        FOR UPDATE SKIP LOCKED
    ), given_up AS (
        UPDATE lease SET holder = NULL, until = NULL
        WHERE shard IN (SELECT shard FROM held EXCEPT SELECT shard FROM kept)
    )
    UPDATE lease SET holder = :name, until = now() + :length
    WHERE shard IN (SELECT shard FROM kept UNION ALL SELECT shard FROM free)
    RETURNING shard
""")
_LIVING = text("SELECT name FROM scheduler WHERE until > now() ORDER BY name")
_GIVE_BACK = text("""
    WITH gone AS (DELETE FROM scheduler WHERE name = :name)
    UPDATE lease SET holder = NULL, until = NULL WHERE holder = :name
""")


def take(connection: Connection, name: str, *, length: timedelta) -> frozenset[int]:
    """Say that `name` lives, renew its shards, take free ones up to its share and give up the rest.

    Returns the shards that are `name`'s for `length` from the moment the statement began.
    """
    parameters = {"name": name, "length": length, "shards": SHARDS}
    return frozenset(connection.execute(_TAKE, parameters).scalars())


def living(connection: Connection) -> list[str]:
    """The names of those that are not taken for dead."""
    return list(connection.execute(_LIVING).scalars())


def give_back(connection: Connection, name: str) -> None:
    """Nothing is `name`'s any more, and nobody counts it."""
    connection.execute(_GIVE_BACK, {"name": name})

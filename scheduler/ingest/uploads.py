"""Uploads in Postgres: their bytes in chunks, and how far their import got."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, Row, text

from shared.db.session import transaction
from shared.domain.campaign import CampaignStatus
from shared.errors import VolleyError
from shared.ledger import campaigns
from shared.opaque import Json

_PIECE = 1 << 20


class LeaseLost(VolleyError):
    """Another importer took over, or the campaign was cancelled: stop at once."""


@dataclass(frozen=True, slots=True)
class ImportJob:
    """A campaign's file that is ours to import."""

    campaign_id: int
    upload_id: int
    filename: str
    mode: str
    settings: Json
    loaded_row: int
    #: (key, session starts per second) of the campaign's agents
    agents: list[tuple[int, float]]

    @property
    def rate(self) -> float:
        """Session starts per second of all agents together."""
        return sum(rate for _, rate in self.agents)

    @property
    def smart_encoded(self) -> bool:
        """Whether the provider will replace typographic characters."""
        return bool(self.settings.get("options", {}).get("smart_encoded"))


_NEW = text("INSERT INTO upload (filename, sha256, size) VALUES (:name, '', 0) RETURNING id")
_PUT = text("INSERT INTO upload_chunk (upload_id, n, bytes) VALUES (:id, :n, :piece)")
_SEAL = text("UPDATE upload SET sha256 = :sha256, size = :size WHERE id = :id")
_DROP = text("""
    DELETE FROM upload u WHERE id = :id
      AND NOT EXISTS (SELECT 1 FROM campaign c WHERE c.upload_id = u.id)
""")
_DROP_CHUNKS = text("DELETE FROM upload_chunk WHERE upload_id = :id")
_DROP_CHUNKS_OF = text("""
    DELETE FROM upload_chunk
    WHERE upload_id = (SELECT upload_id FROM campaign WHERE id = :campaign_id)
""")
_DROP_CANCELLED = text("""
    DELETE FROM upload_chunk k USING upload u, campaign c
    WHERE u.id = k.upload_id AND c.upload_id = u.id AND c.status = 'cancelled' AND u.header IS NULL
""")
_CHUNK = text("SELECT bytes FROM upload_chunk WHERE upload_id = :id AND n = :n")
# Whoever waited here for the row of an upload sees it as it is now, but its campaign as it was
# before: that the import is over must be asked of the upload. It has a header from then on.
_LEASE = text("""
    UPDATE upload u SET lease_until = now() + :lease FROM campaign c
    WHERE c.id = :campaign_id AND u.id = c.upload_id AND c.status = 'draft' AND u.header IS NULL
      AND (u.lease_until IS NULL OR u.lease_until < now())
    RETURNING u.id, u.filename, u.loaded_row, c.mode, c.settings
""")
_KEPT = text("""
    SELECT u.id, u.filename, u.loaded_row, c.mode, c.settings
    FROM campaign c JOIN upload u ON u.id = c.upload_id
    WHERE c.id = :campaign_id AND u.header IS NOT NULL
      AND EXISTS (SELECT 1 FROM upload_chunk k WHERE k.upload_id = u.id AND k.n = 0)
""")
_AGENTS = text("""
    SELECT a.key, a.rate FROM lane l JOIN agent a ON a.key = l.agent_key
    WHERE l.campaign_id = :campaign_id ORDER BY a.key
""")
_RENEW = text("""
    UPDATE upload u SET lease_until = now() + :lease, loaded_row = :through FROM campaign c
    WHERE u.id = :id AND c.id = :campaign_id AND c.status = 'draft' AND u.header IS NULL
      AND u.loaded_row = :after
    RETURNING u.id
""")
# A chunk that a crash of the server undoes is loaded again, since how far the import got is undone
# with it; and `finish` waits for the disk on behalf of them all.
_NEED_NOT_WAIT = text("SET LOCAL synchronous_commit = off")
_GIVE_BACK = text("UPDATE upload SET lease_until = now() WHERE id = :id AND header IS NULL")
_GIVE_UP = text("""
    UPDATE upload u SET lease_until = now() FROM campaign c
    WHERE c.id = :campaign_id AND u.id = c.upload_id AND c.status = 'draft' AND u.header IS NULL
    RETURNING u.loaded_row
""")
_TELL = text("""
    UPDATE campaign SET report = CAST(:report AS jsonb) WHERE id = :campaign_id AND status = 'draft'
    RETURNING id
""")
_HEADER = text(
    "UPDATE upload SET header = CAST(:header AS jsonb), lease_until = NULL WHERE id = :id"
)
_ORIGIN = text("""
    SELECT u.sha256 FROM campaign c JOIN upload u ON u.id = c.upload_id WHERE c.id = :campaign_id
""")
_OFFER = text("""
    UPDATE upload u SET lease_until = now() FROM campaign c
    WHERE c.id = :campaign_id AND u.id = c.upload_id AND u.lease_until IS NULL
      AND c.status = 'draft' AND u.header IS NULL
""")


def new(filename: str) -> int:
    """An empty upload, to be filled with `put` and closed with `seal`."""
    with transaction() as connection:
        made: int = connection.execute(_NEW, {"name": filename}).scalar_one()
        return made


def put(upload_id: int, pieces: Iterable[bytes]) -> None:
    """Store the upload's bytes, a short transaction for each mebibyte."""
    for n, piece in enumerate(_even(pieces)):
        with transaction() as connection:
            connection.execute(_PUT, {"id": upload_id, "n": n, "piece": piece})


def _even(pieces: Iterable[bytes]) -> Iterator[bytes]:
    waiting = bytearray()
    for piece in pieces:
        waiting += piece
        while len(waiting) >= _PIECE:
            yield bytes(waiting[:_PIECE])
            del waiting[:_PIECE]
    if waiting:
        yield bytes(waiting)


def seal(connection: Connection, upload_id: int, *, sha256: str, size: int) -> None:
    """The upload is whole."""
    connection.execute(_SEAL, {"id": upload_id, "sha256": sha256, "size": size})


def drop(upload_id: int) -> None:
    """Forget an upload, unless a campaign was made of it."""
    with transaction() as connection:
        connection.execute(_DROP, {"id": upload_id})


def drop_cancelled(connection: Connection) -> int:
    """Drop the bytes of files whose campaign was cancelled before they were imported: how many."""
    return connection.execute(_DROP_CANCELLED).rowcount


def chunks(upload_id: int) -> Iterator[bytes]:
    """The upload's bytes, a short transaction for each mebibyte."""
    n = 0
    while True:
        with transaction() as connection:
            piece = connection.execute(_CHUNK, {"id": upload_id, "n": n}).scalar()
        if piece is None:
            return
        yield bytes(piece)
        n += 1


def lease(connection: Connection, campaign_id: int, length: timedelta) -> ImportJob | None:
    """Take a draft campaign's import, if nobody else has it."""
    row = connection.execute(_LEASE, {"campaign_id": campaign_id, "lease": length}).one_or_none()
    return None if row is None else _job(connection, campaign_id, row)


def kept(connection: Connection, campaign_id: int) -> ImportJob | None:
    """The file of an import that is over, where its bytes were kept; not to be imported again."""
    row = connection.execute(_KEPT, {"campaign_id": campaign_id}).one_or_none()
    return None if row is None else _job(connection, campaign_id, row)


def _job(connection: Connection, campaign_id: int, row: Row[Any]) -> ImportJob:
    agents = connection.execute(_AGENTS, {"campaign_id": campaign_id})
    return ImportJob(
        campaign_id=campaign_id,
        upload_id=row.id,
        filename=row.filename,
        mode=row.mode,
        settings=row.settings,
        loaded_row=row.loaded_row,
        agents=[(agent.key, agent.rate) for agent in agents],
    )


def renew(
    connection: Connection, job: ImportJob, *, after: int, through: int, lease: timedelta
) -> None:
    """Commit to having loaded the rows behind `after` up to `through`.

    Raises LeaseLost, also when `after` is not how far the import has got.
    """
    parameters = {
        "id": job.upload_id,
        "campaign_id": job.campaign_id,
        "after": after,
        "through": through,
        "lease": lease,
    }
    connection.execute(_NEED_NOT_WAIT)
    if connection.execute(_RENEW, parameters).one_or_none() is None:
        raise LeaseLost("the import was taken over or its campaign cancelled")


def give_back(connection: Connection, job: ImportJob) -> None:
    """Let another import the rest, at once."""
    connection.execute(_GIVE_BACK, {"id": job.upload_id})


def give_up(connection: Connection, campaign_id: int) -> int | None:
    """Let another import the rest, since whoever had the lease has died; how far they got.

    None for a campaign that is no draft any more.
    """
    row: int | None = connection.execute(_GIVE_UP, {"campaign_id": campaign_id}).scalar()
    return row


def tell(connection: Connection, job: ImportJob, report: Json) -> None:
    """Show how far the import is: the report on the rows so far. Raises LeaseLost.

    It locks the campaign: to be called last.
    """
    encoded = orjson.dumps(report).decode()
    parameters = {"campaign_id": job.campaign_id, "report": encoded}
    if connection.execute(_TELL, parameters).one_or_none() is None:
        raise LeaseLost("the campaign was cancelled")


def finish(
    connection: Connection,
    job: ImportJob,
    *,
    report: Json,
    header: Sequence[str],
    keep: bool = False,
) -> None:
    """The import is complete: the campaign is ready, the file's bytes are not needed any more.

    With `keep` they are: rejected rows of it were left out of the table. Raises LeaseLost.
    """
    encoded = orjson.dumps(report).decode()
    _hold_draft(connection, job.campaign_id)
    connection.execute(_TELL, {"campaign_id": job.campaign_id, "report": encoded})
    campaigns.move(connection, job.campaign_id, CampaignStatus.READY, action="import")
    connection.execute(
        _HEADER, {"id": job.upload_id, "header": orjson.dumps(list(header)).decode()}
    )
    if not keep:
        connection.execute(_DROP_CHUNKS, {"id": job.upload_id})


def refuse(connection: Connection, campaign_id: int, reason: str) -> None:
    """The campaign's file cannot be read at all: its bytes are of no use.

    Raises LeaseLost: another has imported it, and whoever finds no bytes any more knows nothing.
    """
    _hold_draft(connection, campaign_id)
    to = CampaignStatus.CANCELLED
    campaigns.move(connection, campaign_id, to, action="refuse-file", reason=reason)
    connection.execute(_DROP_CHUNKS_OF, {"campaign_id": campaign_id})


def _hold_draft(connection: Connection, campaign_id: int) -> None:
    row = campaigns.lock(connection, campaign_id)
    if row is None or row.status != CampaignStatus.DRAFT:
        raise LeaseLost("another has imported the file, or its campaign was cancelled")


def origin(connection: Connection, campaign_id: int) -> str:
    """What `standing` knows the campaign's file by; "" when it has none."""
    return connection.execute(_ORIGIN, {"campaign_id": campaign_id}).scalar() or ""


def offer(connection: Connection, campaign_id: int) -> None:
    """Whoever made the campaign does not import it: anybody may, from now on."""
    connection.execute(_OFFER, {"campaign_id": campaign_id})

"""The loops that repair, but for the reconciler: each finds what was lost, and mends it."""

from datetime import timedelta
from functools import partial
from typing import Final

from sqlalchemy import text

from scheduler.import_process import load
from scheduler.ingest import uploads
from scheduler.ingest.load.importer import stopping
from scheduler.ingest.load.turns import Turn, import_waiting
from shared.db.session import retried, statement, transaction
from shared.ledger import callbacks, campaigns, holds
from shared.ledger import repairs as queries
from shared.logging import get_logger
from shared.settings import settings
from shared.throttle import Throttle
from shared.throttle.nudge import nudge
from shared.throttle.redis_client import redis

log = get_logger(__name__)

_BATCH = 5000
#: After reconcile.GIVE_UP_AFTER nothing more is asked about the calls of an account agents left.
FORMER_ACCOUNTS_FOR: Final = timedelta(days=3)


def apply_receipts() -> int:
    """Callbacks stored and not applied: their task was lost, or the broker is away."""
    if not retried(callbacks.waiting, within=statement):
        return 0
    return callbacks.drain(timedelta(seconds=settings().poll_after))


def finish() -> int:
    """Campaigns with nothing left in draft, planned, ready or sending are finished."""
    if not retried(campaigns.quiet, within=statement):
        return 0
    done = retried(campaigns.finish_done)
    for campaign_id in done:
        log.info("campaign.finished", campaign_id=campaign_id)
    return len(done)


def cancel_unsent() -> int:
    """Unsent rows of cancelled campaigns, in batches: a cancel answers before a million are
    done.
    """
    total = 0
    for campaign_id in retried(queries.cancelled_with_unsent, within=statement):
        while some := retried(partial(campaigns.cancel_some, campaign_id=campaign_id)):
            total += some
    return total


def expire() -> int:
    """Unsent rows whose campaign's `send_before` has passed."""
    total = 0
    while some := retried(lambda connection: campaigns.expire_some(connection, most=_BATCH)):
        total += some
    return total


def resume_imports() -> int:
    """Draft campaigns that nobody imports: their importer is silent, or has given way to another.
    It goes on behind the last committed chunk.
    """
    return import_waiting(load, Turn(), stopped=stopping.is_set)


def fill_holes() -> int:
    """Accepted rows that have no message get one; and say so, for it should never happen."""
    filled = retried(queries.fill_holes)
    if filled:
        log.error("import.holes_filled", recipients=filled)
    return filled


def lift_ended_holds() -> int:
    """Holds whose time is over."""
    lifted = retried(holds.lift_ended, within=statement)
    if lifted:
        nudge()
    return lifted


def fold_counts() -> int:
    """Fold the insert-only counts of busy campaigns."""
    return retried(campaigns.fold_counts)


_FORGET_ANSWERS = text("""
    DELETE FROM idempotent_answer WHERE created_at < now() - interval '24 hours'
""")
_FORGET_ACCOUNTS = text("""
    DELETE FROM former_account WHERE replaced_at < now() - CAST(:kept AS interval)
""")


def forget() -> int:
    """Drop what only matters for a while: idle slots, idempotent answers, accounts agents left, the
    bytes of files that will never be imported.
    """
    with transaction() as connection:
        uploads.drop_cancelled(connection)
        connection.execute(_FORGET_ANSWERS)
        connection.execute(_FORGET_ACCOUNTS, {"kept": FORMER_ACCOUNTS_FOR})
    return Throttle(redis()).forget_idle(older_than=3600)

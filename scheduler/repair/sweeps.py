"""The repair loops except the reconciler: each finds one kind of lost work and repairs it."""

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
#: After reconcile.GIVE_UP_AFTER nothing asks about calls of an account that agents have left.
FORMER_ACCOUNTS_FOR: Final = timedelta(days=3)


def apply_receipts() -> int:
    """Apply stored callbacks whose task was lost, or that wait because the broker is away."""
    if not retried(callbacks.waiting, within=statement):
        return 0
    return callbacks.drain(timedelta(seconds=settings().poll_after))


def finish() -> int:
    """Finish campaigns that have no message in draft, planned, ready or sending."""
    if not retried(campaigns.quiet, within=statement):
        return 0
    done = retried(campaigns.finish_done)
    for campaign_id in done:
        log.info("campaign.finished", campaign_id=campaign_id)
    return len(done)


def cancel_unsent() -> int:
    """Cancel unsent messages of cancelled campaigns, in batches: the request for it does not wait
    for a million of them.
    """
    total = 0
    for campaign_id in retried(queries.cancelled_with_unsent, within=statement):
        while some := retried(partial(campaigns.cancel_some, campaign_id=campaign_id)):
            total += some
    return total


def expire() -> int:
    """Expire unsent messages whose campaign's `send_before` has passed."""
    total = 0
    while some := retried(lambda connection: campaigns.expire_some(connection, most=_BATCH)):
        total += some
    return total


def resume_imports() -> int:
    """Resume the import of draft campaigns whose importer is silent or has lost its lease, after
    the last committed chunk.
    """
    return import_waiting(load, Turn(), stopped=stopping.is_set)


def fill_holes() -> int:
    """Make messages for accepted rows without one, and log it: it should never happen."""
    filled = retried(queries.fill_holes)
    if filled:
        log.error("import.holes_filled", recipients=filled)
    return filled


def lift_ended_holds() -> int:
    """Lift holds whose end has passed."""
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
    """Drop data that has expired: idle slots, idempotent answers, accounts that agents have left,
    the bytes of files that will never be imported.
    """
    with transaction() as connection:
        uploads.drop_cancelled(connection)
        connection.execute(_FORGET_ANSWERS)
        connection.execute(_FORGET_ACCOUNTS, {"kept": FORMER_ACCOUNTS_FOR})
    return Throttle(redis()).forget_idle(older_than=3600)

"""Send again to recipients whose latest message failed and may be tried again."""

from functools import partial
from typing import Any

from sqlalchemy import Connection, Row

from scheduler.campaigns.lifecycle import locked
from shared.db.audit import note
from shared.db.session import retried, transaction
from shared.domain.campaign import CampaignStatus
from shared.domain.wording import TooManyParts, Wording, parts_of, word
from shared.errors import Refused
from shared.ledger import campaigns, retries
from shared.providers.registry import DEFAULT, provider_named
from shared.throttle.nudge import nudge

_C = CampaignStatus
_RETRY_BATCH = 1000


def retry_failed(campaign_id: int, *, actor: str) -> int:
    """One new message for each recipient whose latest failed with a retryable code; how many.

    It carries only the parts that failed or never went. Unique per recipient and round.
    """
    with transaction() as connection:
        _retryable(connection, campaign_id)
        codes = [
            code
            for code in retries.error_codes(connection, campaign_id)
            if provider_named(DEFAULT).look_up(code).retryable
        ]
    again, after = 0, 0
    while True:
        some = partial(_retry_some, campaign_id=campaign_id, codes=codes, after=after, actor=actor)
        made, last = retried(some)
        again += made
        if made:
            nudge()
        if last is None:
            break
        after = last
    if again:
        with transaction() as connection:
            details = {"messages": again}
            note(
                connection,
                actor=actor,
                action="retry-failed",
                subject=campaigns.subject(campaign_id),
                details=details,
            )
    return again


def _retry_some(
    connection: Connection, campaign_id: int, codes: list[int], after: int, actor: str
) -> tuple[int, int | None]:
    # With the campaign held, it cannot finish or be cancelled between these messages and its start.
    campaign = _retryable(connection, campaign_id)
    batch = retries.failed(connection, campaign_id, codes=codes, after=after, most=_RETRY_BATCH)
    worded = [(f.message_id, w) for f in batch if (w := _what_did_not_arrive(f, campaign))]
    made = retries.send_again(connection, worded)
    if made and campaign.status == _C.FINISHED:
        campaigns.move(connection, campaign_id, _C.RUNNING, action="run-again", actor=actor)
    return made, batch[-1].message_id if len(batch) == _RETRY_BATCH else None


def _retryable(connection: Connection, campaign_id: int) -> Row[Any]:
    row = locked(connection, campaign_id)
    if row.status not in (_C.RUNNING, _C.PAUSED, _C.FINISHED):
        raise Refused(
            "not_retryable",
            f"The campaign is {row.status}: there is nothing to retry.",
        )
    return row


#: What the latest call for a part came to when the part did not arrive; None: it was never called.
_DID_NOT_ARRIVE = (None, "returned", "failed", "undelivered", "cancelled")


def _what_did_not_arrive(failed: retries.Failed, campaign: Row[Any]) -> Wording | None:
    texts = parts_of(failed.body, failed.cuts)
    parts = [(words, failed.parts.get(part)) for part, words in enumerate(texts)]
    missing = [words for words, status in parts if status in _DID_NOT_ARRIVE]
    if not missing:
        # A person called it failed, though it may have gone: to send it again is their decision.
        missing = [words for words, status in parts if status == "unknown"]
    if not missing:
        return None
    try:
        return word(
            "".join(missing),
            split_at=campaign.settings["split_at"],
            smart_encoded=bool(campaign.settings["options"].get("smart_encoded")),
        )
    except TooManyParts:
        return None

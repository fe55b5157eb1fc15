"""The circuit breaker: pause a campaign when the provider refuses too many of its calls.

It counts the campaign's last calls over all workers, so the count is in Redis. A flush only resets
the count.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from redis import RedisError
from sqlalchemy import Connection

from shared.db.session import retried
from shared.domain.campaign import CampaignStatus
from shared.ledger import campaigns
from shared.logging import get_logger
from shared.outage import Outage
from shared.settings import settings

log = get_logger(__name__)

#: The share is that of the last WINDOW calls. With fewer than LEAST nothing is paused.
WINDOW: Final = 200
LEAST: Final = 100
_KEEP_FOR: Final = 3600


class CircuitBreaker:
    """Watches the calls of running campaigns. Only the recorder's thread uses it."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self._store = Outage(log, away="refusals.not_counted", back="refusals.counted_again")

    def watch(self, calls: Iterable[tuple[int, bool]]) -> None:
        """Count new calls, given as (campaign, was refused); pause campaigns above the share."""
        limit = settings().pause_on_failures
        by_campaign: dict[int, list[str]] = defaultdict(list)
        for campaign_id, refused in calls:
            by_campaign[campaign_id].append("r" if refused else "a")
        if not limit or not by_campaign:
            return
        try:
            for campaign_id, (bad, all_) in self._lately(by_campaign).items():
                if bad / all_ >= limit:
                    self._pause(campaign_id, refused=bad, calls=all_)
            self._store.answered()
        except RedisError as error:
            self._store.failed(error)

    def _lately(self, by_campaign: dict[int, list[str]]) -> dict[int, tuple[int, int]]:
        """(refused, all) of the last calls, for campaigns with a new refusal and enough calls."""
        pipe = self._redis.pipeline(transaction=False)
        for campaign_id, calls in by_campaign.items():
            pipe.lpush(_key(campaign_id), *calls)
            pipe.ltrim(_key(campaign_id), 0, WINDOW - 1)
            pipe.expire(_key(campaign_id), _KEEP_FOR)
            pipe.lrange(_key(campaign_id), 0, -1)
        lists = pipe.execute()[3::4]
        return {
            campaign_id: (calls.count("r"), len(calls))
            for (campaign_id, new), calls in zip(by_campaign.items(), lists, strict=True)
            if "r" in new and len(calls) >= LEAST
        }

    def _pause(self, campaign_id: int, *, refused: int, calls: int) -> None:
        reason = (
            f"the provider refused {refused} of the last {calls} calls: look at the messages' "
            "errors, fix the cause, then resume"
        )

        def work(connection: Connection) -> bool:
            row = campaigns.lock(connection, campaign_id)
            if row is None or row.status != CampaignStatus.RUNNING:
                return False
            campaigns.move(
                connection, campaign_id, CampaignStatus.PAUSED, action="pause", reason=reason
            )
            return True

        if retried(work):
            log.warning("campaign.paused", campaign_id=campaign_id, refused=refused, calls=calls)
        self._redis.delete(_key(campaign_id))  # a resume starts a new count


def _key(campaign_id: int) -> str:
    return f"volley:calls:{campaign_id}"

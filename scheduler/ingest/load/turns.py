"""Which import is next, and when one lets another go first: small files overtake a huge one.

What an import still has to do cannot be told from its bytes: a line may be two characters or two
thousand. So the one that has had least
goes first, as in any fair queue, and whoever has had much gives way to whoever has had little. To
give way is to hand the lease back; going on means to read the file once more up to where it was.

So an import gives way at once only where it is `quick`, on the queue's thread, and there once: that
thread takes up nothing that has had much. The sweep's thread does, and there an import gives way to
one like itself, when it has got twice as far as at its last turn. What all its turns together read
again is twice the file's rows at most.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from scheduler.ingest import uploads, waiting_imports
from shared.db.session import transaction
from shared.errors import InWords
from shared.logging import get_logger

log = get_logger(__name__)

#: Rows of a file that nobody is made to wait for longer: some seconds of work.
SMALL: Final = 100_000


@dataclass(frozen=True, slots=True)
class Turn:
    """When an import gives way. One that is `quick` does so at once to any that has had little, and
    is then left to those that are not.
    """

    quick: bool = False
    #: campaigns whose import has just failed: nobody gives way to them
    failed: tuple[int, ...] = ()

    def is_over(self, through: int, *, since: int) -> bool:
        """Whether another is to go first, when this one has read up to row `through`.

        `since` is how far it had got when this turn began.
        """
        if through < SMALL:
            return False
        with transaction() as connection:
            least = waiting_imports.least_loaded(connection, but=self.failed)
        if least is None:
            return False
        if self.quick and least < SMALL:
            return True
        return through >= 2 * max(since, SMALL) and 2 * least <= through


def import_waiting(load: Callable[..., bool], turn: Turn, *, stopped: Callable[[], bool]) -> int:
    """Import all files that wait, whichever has had least first; returns how many are complete.

    With a `quick` turn those that have had little: whoever gave way goes on elsewhere. One that
    fails is logged and left, and does not hold up the others.
    """
    done = 0
    below = SMALL if turn.quick else None
    failed: set[int] = set()
    while not stopped():
        with transaction() as connection:
            waiting = waiting_imports.abandoned(connection, below=below)
        campaign_id = next((waits for waits in waiting if waits not in failed), None)
        if campaign_id is None:
            break
        try:
            done += load(campaign_id, replace(turn, failed=tuple(failed)))
        except (InWords, uploads.LeaseLost) as error:
            failed.add(campaign_id)
            log.warning("import.stopped", campaign_id=campaign_id, reason=str(error))
        except Exception as error:
            failed.add(campaign_id)
            log.exception("import.failed", campaign_id=campaign_id, error=type(error).__name__)
    return done

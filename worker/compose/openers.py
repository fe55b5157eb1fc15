"""Write openers ahead of the send slot, and freeze the words on the row.

Without a model the agent's template is the opener. The initial prompt is never sent.
"""

from sqlalchemy import Connection

from shared.db.session import retried
from shared.domain.wording import TooManyParts, Wording, word
from shared.errors import Refused
from shared.ledger import openers
from shared.logging import get_logger
from shared.openers.template import opener
from shared.queue.jobs import ComposeOpeners

log = get_logger(__name__)


def compose(job: ComposeOpeners) -> None:
    """Write the text of these planned messages. Safe to call twice: only planned rows change."""
    written = retried(lambda connection: _compose(connection, job.message_ids))
    log.info("openers.composed", messages=written)


def _compose(connection: Connection, message_ids: tuple[int, ...]) -> int:
    worded: list[tuple[int, Wording]] = []
    for planned in openers.planned(connection, message_ids):
        options = planned.settings.get("options", {})
        try:
            wording = word(
                opener(planned.settings["template"], planned.fields),
                split_at=planned.settings["split_at"],
                smart_encoded=bool(options.get("smart_encoded")),
            )
        except (Refused, LookupError, ValueError) as error:
            # Validation accepted these fields: the data has been changed outside Volley since.
            log.error("opener.not_worded", message_id=planned.message_id, reason=str(error))
            openers.cancel(connection, planned.message_id, "its fields no longer fill the opener")
        except TooManyParts:
            openers.cancel(connection, planned.message_id, "the opener is longer than ten parts")
        else:
            worded.append((planned.message_id, wording))
    return openers.freeze(connection, worded)

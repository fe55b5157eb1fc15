"""What follows from an error code that came after a message was accepted: in a callback or a poll.

The message itself has ended; its code may speak about a sender, a country or the account, and then
that scope waits as if the code had come at once. Or about the person, who has opted out.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from shared import clock
from shared.ledger import holds as hold_rows
from shared.ledger import suppressions
from shared.ledger.evidence import Failure
from shared.ledger.holds import hold_on
from shared.providers.registry import provider_named


def react(connection: Connection, failures: Sequence[Failure]) -> None:
    """Hold the scopes and write the opt-outs that these codes speak of; harmless to repeat."""
    opted_out = set()
    holds = {}
    for failure in failures:
        code = provider_named(failure.provider).look_up(failure.code)
        if code.opted_out:
            opted_out.add(failure.phone)
        elif code.holds:
            asked = hold_on(
                code.scope,
                agent_key=failure.agent_key,
                sender=failure.sender,
                phone=failure.phone,
                code=failure.code,
                seconds=code.seconds(at=clock.now()),
                fix=code.fix,
            )
            if asked is not None:
                holds[asked.agent_key, asked.scope, asked.subject] = asked
    for _, hold in sorted(holds.items()):
        hold_rows.hold(connection, hold)
    why = "the provider says that this person has opted out"
    suppressions.add(
        connection, [(phone, why) for phone in opted_out], scope="all", source="provider"
    )

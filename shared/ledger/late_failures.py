"""What follows from an error code that came after a message was accepted: in a callback or a poll.

The message itself has ended; its code may speak about a sender, a country or the account, and then
that scope waits as if the code had come at once. Or about the person, who has opted out.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from shared import clock
from shared.errors import Scope
from shared.ledger import holds as hold_rows
from shared.ledger import suppressions
from shared.ledger.evidence import Failure
from shared.ledger.holds import NewHold
from shared.providers.registry import what_it_means


def react(connection: Connection, failures: Sequence[Failure]) -> None:
    """Hold the scopes and write the opt-outs that these codes speak of; harmless to repeat."""
    opted_out = set()
    holds = {}
    for failure in failures:
        code = what_it_means(failure.provider, failure.code)
        if code.opted_out:
            opted_out.add(failure.phone)
        elif code.holds and code.scope not in {Scope.MESSAGE, Scope.NUMBER}:
            subjects = {Scope.SENDER: failure.sender or "", Scope.COUNTRY: failure.phone}
            subject = subjects.get(code.scope, "")
            holds[failure.agent_key, code.scope, subject] = NewHold(
                agent_key=failure.agent_key,
                scope=code.scope.value,
                subject=subject,
                code=failure.code,
                seconds=code.seconds(at=clock.now()),
                fix=code.fix,
            )
    for _, hold in sorted(holds.items()):
        hold_rows.hold(connection, hold)
    why = "the provider says that this person has opted out"
    suppressions.add(
        connection, [(phone, why) for phone in opted_out], scope="all", source="provider"
    )

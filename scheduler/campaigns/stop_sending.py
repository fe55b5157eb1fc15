"""The big switch: stop all sending, and start it again."""

from sqlalchemy import Connection, text

from shared.db.audit import note
from shared.db.session import retried
from shared.ledger.campaigns import shut_gate
from shared.throttle.nudge import nudge

_SWITCH = text("""
    UPDATE control SET stopped_at = CASE WHEN :stop THEN coalesce(stopped_at, now()) END,
                       stopped_by = CASE WHEN :stop THEN coalesce(stopped_by, :actor) END
""")


def stop_sending(*, actor: str) -> None:
    """The big switch: after this returns, no call is written that was not already claimed."""
    _switch(stop=True, actor=actor)


def start_sending(*, actor: str) -> None:
    """Let running campaigns go on."""
    _switch(stop=False, actor=actor)
    nudge()


def _switch(*, stop: bool, actor: str) -> None:
    def work(connection: Connection) -> None:
        connection.execute(_SWITCH, {"stop": stop, "actor": actor})
        note(connection, actor=actor, action="stop" if stop else "start", subject="sending")
        shut_gate(connection)

    retried(work)

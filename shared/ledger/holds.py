"""Agents, what holds them, and what a hold lets go."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from shared.domain.country import country_of
from shared.providers.codes import Scope


@dataclass(frozen=True, slots=True)
class NewHold:
    """What a provider's code says must wait."""

    agent_key: int
    #: sender, country, agent or account
    scope: str
    #: the sender's number, or a recipient's number whose country is meant; empty otherwise
    subject: str
    code: int
    #: None: until a person mends it
    seconds: float | None
    fix: str


def hold_on(  # noqa: PLR0913 - facts of one call, each by its name
    scope: Scope,
    *,
    agent_key: int,
    sender: str | None,
    phone: str,
    code: int | None,
    seconds: float | None,
    fix: str,
) -> NewHold | None:
    """The hold that follows when a call from `sender` to `phone` says that `scope` must wait.

    None when it speaks of that one message or number: nothing else has to wait.
    """
    if scope in {Scope.MESSAGE, Scope.NUMBER}:
        return None
    subjects = {Scope.SENDER: sender or "", Scope.COUNTRY: phone}
    return NewHold(
        agent_key=agent_key,
        scope=scope.value,
        subject=subjects.get(scope, ""),
        code=code or 0,
        seconds=seconds,
        fix=fix,
    )


_HOLD = text("""
    INSERT INTO hold (agent_key, scope, subject, code, until, fix)
    SELECT a.key, :scope, :subject, :code, now() + :seconds * interval '1 second', :fix
    FROM agent a WHERE a.key = :agent_key
        OR (:scope = 'account' AND a.account = (SELECT account FROM agent WHERE key = :agent_key))
    ORDER BY a.key
    ON CONFLICT (agent_key, scope, subject) WHERE lifted_at IS NULL
    DO UPDATE SET until = CASE WHEN excluded.until IS NULL OR hold.until IS NULL THEN NULL
                               ELSE greatest(hold.until, excluded.until) END,
                  code = excluded.code, fix = excluded.fix
""")

# An agent pauses when nothing of it can speak: its account is refused, or no sender is left.
_PAUSE = text("""
    UPDATE agent SET status = 'paused' WHERE status = 'active' AND key IN (
        SELECT agent_key FROM hold WHERE lifted_at IS NULL AND until IS NULL
            AND scope IN ('agent', 'account')
        UNION
        SELECT s.agent_key FROM sender s GROUP BY s.agent_key HAVING bool_and(EXISTS (
            SELECT 1 FROM hold h WHERE h.agent_key = s.agent_key AND h.scope = 'sender'
              AND h.subject = s.number AND h.lifted_at IS NULL AND h.until IS NULL))
    )
""")

_LIFT = text("""
    UPDATE hold SET lifted_at = now() WHERE lifted_at IS NULL AND agent_key = :agent_key
""")
_LIFT_ENDED = text("""
    UPDATE hold SET lifted_at = now() WHERE lifted_at IS NULL AND until <= now()
""")
_DUE_NOW = text("""
    WITH waiting AS MATERIALIZED (
        SELECT m.id FROM lane l CROSS JOIN LATERAL (
            SELECT id FROM message WHERE campaign_id = l.campaign_id AND agent_key = l.agent_key
              AND due_at > now()
        ) q JOIN message m ON m.id = q.id
        WHERE l.agent_key = ANY (CAST(:agent_keys AS int[])) ORDER BY m.id FOR UPDATE OF m
    )
    UPDATE message SET due_at = now() FROM waiting WHERE message.id = waiting.id
""")


def hold(connection: Connection, new: NewHold) -> None:
    """Hold a scope; the account's code holds all its agents. Harmless to repeat."""
    subject = new.subject
    if new.scope == "country":
        subject = str(country_of(new.subject))
    connection.execute(
        _HOLD,
        {
            "agent_key": new.agent_key,
            "scope": new.scope,
            "subject": subject,
            "code": new.code,
            "seconds": new.seconds,
            "fix": new.fix,
        },
    )
    if new.seconds is None:
        connection.execute(_PAUSE)


def lift_holds(connection: Connection, agent_key: int) -> None:
    """A person says it is mended: all holds of the agent end, and its rows are due again."""
    connection.execute(_LIFT, {"agent_key": agent_key})
    due_now(connection, [agent_key])


def due_now(connection: Connection, agent_keys: Sequence[int]) -> None:
    """What waits on these agents is due again; what still has to wait, its claim finds out."""
    if agent_keys:
        connection.execute(_DUE_NOW, {"agent_keys": list(agent_keys)})


def lift_ended(connection: Connection) -> int:
    """Close holds whose time has come; returns how many."""
    return connection.execute(_LIFT_ENDED).rowcount

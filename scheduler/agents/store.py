"""Agents, as operators make and change them. The HTTP API and the CLI call the same functions."""

import re
from typing import Any

from sqlalchemy import Connection, Row

from scheduler.agents.settings import AGENT_ID, AgentChanges, NewAgent
from shared import clock
from shared.db.audit import note
from shared.db.session import retried, transaction
from shared.errors import Refused
from shared.ledger import agents, sender_limits
from shared.ledger.campaigns import shut_gate
from shared.ledger.holds import due_now, lift_holds
from shared.opaque import Json
from shared.providers.accounts import account_name, credentials_for
from shared.providers.registry import DEFAULT
from shared.secrets import seal
from shared.throttle.nudge import nudge
from shared.views import agents as agent_views
from shared.views.agents import AgentView

#: Session starts per second of an agent that says nothing.
DEFAULT_RATE = 1.0

_ID = re.compile(AGENT_ID)


def create(new: NewAgent, *, actor: str) -> AgentView:
    """Make an agent; returns it as people see it.

    With a future `effective_at` it starts at the default rate and gets its own then. Raises
    Refused (agent_exists, or what is not built yet), Misconfigured without an account to send with.
    """
    new.refuse_what_is_not_built()
    senders = new.speaks_from()
    if not senders and new.messaging_service_sid is None:
        raise _no_sender()
    account, credentials = _account(new, new.provider)
    columns = {
        "id": new.id,
        "name": new.name,
        "provider": new.provider,
        "messaging_service_sid": new.messaging_service_sid,
        **_rates(new, present=DEFAULT_RATE),
        "timezone": new.timezone,
        "opener": new.opener.checked() if new.opener else None,
        "credentials": credentials,
        "account": account,
    }

    def work(connection: Connection) -> AgentView:
        if not agents.add(connection, columns, senders):
            raise Refused(
                "agent_exists",
                f"There is an agent {new.id!r} already: change that one, or choose another id.",
            )
        note(connection, actor=actor, action="create", subject=_name(new.id), details=_told(new))
        return _found(agent_views.show(connection, new.id), new.id)

    return retried(work)


def change(agent_id: str, changes: AgentChanges, *, actor: str) -> AgentView:
    """Change what is given; returns the agent. `status: "active"` lifts its holds.

    Raises Refused: agent_not_found, no_sender when nothing would be left to speak from, …
    """
    senders = changes.speaks_from() if "senders" in changes.model_fields_set else None
    columns = _columns(changes)

    def work(connection: Connection) -> AgentView:
        row = _locked(connection, agent_id)
        merged = row._asdict() | columns | _rate_columns(changes, row)
        agents.change(connection, row.key, merged)
        if changes.status == "active":
            lift_holds(connection, row.key)
        note(
            connection,
            actor=actor,
            action="change",
            subject=_name(agent_id),
            details=_told(changes),
        )
        if changes.status == "paused":
            shut_gate(connection)
        if senders is not None:
            due_now(
                connection, sender_limits.waiting(connection, row.key, [s.number for s in senders])
            )
            agents.replace_senders(connection, row.key, senders)
        if merged["messaging_service_sid"] is None and not agents.has_sender(connection, row.key):
            raise _no_sender()
        return _found(agent_views.show(connection, agent_id), agent_id)

    agent = retried(work)
    nudge()
    return agent


def delete(agent_id: str, *, actor: str) -> None:
    """Delete an agent that no unfinished campaign needs. Its messages and their history stay."""

    def work(connection: Connection) -> None:
        row = _locked(connection, agent_id)
        needed_by = agents.unfinished_campaigns(connection, row.key)
        if needed_by:
            listed = ", ".join(map(str, needed_by[:10]))
            raise Refused(
                "agent_in_use",
                f"Agent {agent_id!r} is needed by campaign {listed}: cancel it, or let it finish.",
                details={"campaign_ids": needed_by},
            )
        agents.delete(connection, row.key)
        note(connection, actor=actor, action="delete", subject=_name(agent_id))

    retried(work)


def show(agent_id: str) -> AgentView:
    """One agent. Raises Refused agent_not_found."""
    with transaction() as connection:
        return _found(agent_views.show(connection, _known(agent_id)), agent_id)


def page(*, after: str = "", limit: int = 100) -> list[AgentView]:
    """Agents in the order of their ids."""
    with transaction() as connection:
        return agent_views.page(connection, after=after, limit=limit)


def follow_platform_account(provider: str = DEFAULT) -> int:
    """Agents without an account of their own belong to the platform's; returns how many moved.

    Run at start: the settings may name another account than the last time. Raises
    Misconfigured when there is none.
    """
    account = account_name(provider, credentials_for(provider, None).account)
    with transaction() as connection:
        return agents.move_account(connection, provider, account)


def _columns(changes: AgentChanges) -> Json:
    """The columns that are given. Looks names up and seals, so it runs before the transaction."""
    given = changes.model_fields_set
    plain = ("name", "messaging_service_sid", "timezone")
    columns: Json = {name: getattr(changes, name) for name in plain if name in given}
    if "opener" in given:
        columns["opener"] = changes.opener.checked() if changes.opener else None
    if "provider_settings" in given:
        columns["account"], columns["credentials"] = _account(changes, DEFAULT)
    if changes.status is not None:
        columns["status"] = changes.status
    return columns


def _account(given: AgentChanges, provider: str) -> tuple[str, bytes | None]:
    own = given.provider_settings.checked() if given.provider_settings else None
    account = account_name(provider, credentials_for(provider, own).account)
    return account, seal(own) if own else None


def _rate_columns(changes: AgentChanges, row: Row[Any]) -> Json:
    return _rates(changes, present=row.rate) if changes.sessions_per_second is not None else {}


def _rates(given: AgentChanges, *, present: float) -> Json:
    """The rate now, and the one to come when `effective_at` lies ahead."""
    wanted = given.sessions_per_second or present
    if given.effective_at is not None and given.effective_at > clock.now():
        return {"rate": present, "next_rate": wanted, "next_rate_at": given.effective_at}
    return {"rate": wanted, "next_rate": None, "next_rate_at": None}


def _told(given: AgentChanges) -> Json:
    """What the audit keeps: everything but secrets."""
    kept = given.model_dump(mode="json", exclude={"provider_settings"}, exclude_unset=True)
    if "provider_settings" in given.model_fields_set:
        kept["provider_settings"] = "given" if given.provider_settings else None
    return kept


def _locked(connection: Connection, agent_id: str) -> Row[Any]:
    row = agents.lock(connection, _known(agent_id))
    if row is None:
        raise _not_found(agent_id)
    return row


def _known(agent_id: str) -> str:
    """The id, if it can be one at all."""
    if not _ID.fullmatch(agent_id):
        raise _not_found(agent_id)
    return agent_id


def _found(agent: AgentView | None, agent_id: str) -> AgentView:
    if agent is None:
        raise _not_found(agent_id)
    return agent


def _not_found(agent_id: str) -> Refused:
    return Refused("agent_not_found", f"There is no agent {agent_id[:64]!r}.")


def _no_sender() -> Refused:
    return Refused(
        "no_sender",
        "An agent speaks from a number: give it at least one of 'senders', or a "
        "'messaging_service_sid'.",
    )


def _name(agent_id: str) -> str:
    return f"agent:{agent_id}"

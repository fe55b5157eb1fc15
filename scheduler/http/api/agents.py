"""/api/agents: who speaks. Anyone who may act may change them; only admins store credentials."""

from fastapi import APIRouter, Response

from scheduler.access.keys import Caller, Role
from scheduler.agents import store
from scheduler.agents.settings import AgentChanges, NewAgent
from scheduler.http.auth import Operator, Viewer, require
from scheduler.http.documented_errors import CONFLICTS
from scheduler.http.requests import AfterText, Limit, Page, paged
from shared.views.agents import AgentView

router = APIRouter(prefix="/api/agents", tags=["agents"])


@router.post("", status_code=201)
def create_agent(new: NewAgent, caller: Operator) -> AgentView:
    """Make an agent. With `provider_settings` it sends from its own account (admin keys only)."""
    _only_admins_store_credentials(new, caller)
    return store.create(new, actor=caller.actor)


@router.get("")
def list_agents(caller: Viewer, after: AfterText = "", limit: Limit = 100) -> Page[AgentView]:
    """All agents in the order of their ids; `after` is the last id of the page before."""
    return paged(store.page(after=after, limit=limit + 1), limit)


@router.get("/{agent_id}")
def show_agent(agent_id: str, caller: Viewer) -> AgentView:
    """One agent: its senders, its pace, and what holds it with the mend."""
    return store.show(agent_id)


@router.patch("/{agent_id}", responses=CONFLICTS)
def change_agent(agent_id: str, changes: AgentChanges, caller: Operator) -> AgentView:
    """Change what is given. `status: "active"` lifts its holds; `senders` replaces all of them."""
    _only_admins_store_credentials(changes, caller)
    return store.change(agent_id, changes, actor=caller.actor)


@router.delete("/{agent_id}", status_code=204, responses=CONFLICTS)
def delete_agent(agent_id: str, caller: Operator) -> Response:
    """Delete an agent that no unfinished campaign needs."""
    store.delete(agent_id, actor=caller.actor)
    return Response(status_code=204)


def _only_admins_store_credentials(given: AgentChanges, caller: Caller) -> None:
    if "provider_settings" in given.model_fields_set:
        require(caller, Role.ADMIN)

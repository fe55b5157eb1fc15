"""/api/sending: the switch that stops everything. After the answer nothing new is claimed."""

from fastapi import APIRouter

from scheduler.campaigns import status
from scheduler.campaigns import stop_sending as switch
from scheduler.http.auth import Operator, Viewer
from shared.views.campaigns import Switch

router = APIRouter(prefix="/api/sending", tags=["sending"])


@router.get("")
def show_sending(caller: Viewer) -> Switch:
    """Whether all sending is stopped, since when, and by whom."""
    return status.sending()


@router.post("/stop")
def stop_sending(caller: Operator) -> Switch:
    """Stop all sending at once. Calls already claimed end within half a second."""
    switch.stop_sending(actor=caller.actor)
    return show_sending(caller)


@router.post("/start")
def start_sending(caller: Operator) -> Switch:
    """Let running campaigns go on."""
    switch.start_sending(actor=caller.actor)
    return show_sending(caller)

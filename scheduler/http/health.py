"""/healthz, /readyz and /metrics: for machines that watch, without a key. Numbers only."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared.db.session import transaction
from shared.domain.campaign import CampaignStatus
from shared.domain.message import MessageStatus
from shared.errors import Misconfigured
from shared.queue.app import app as celery
from shared.views.fields import told
from shared.views.gauges import Readings, readings

router = APIRouter(tags=["health"])

_MAKING: Final = threading.Lock()
_FRESH_SECONDS: Final = 5.0
_BROKER_SECONDS: Final = 2
_WORD: Final = {"type": "string", "minLength": 1, "examples": ["ok"]}
_READY: Final[dict[str, Any]] = {
    "description": "Ready, or degraded.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "additionalProperties": False,
                "required": ["status", "database", "broker"],
                "properties": {
                    "status": {"enum": ["ready", "degraded", "not ready"]},
                    "database": _WORD,
                    "broker": _WORD,
                },
            }
        }
    },
}


@dataclass(frozen=True, slots=True)
class Alive:
    """A process that answers."""

    status: Annotated[Literal["ok"], told("It answers; there is no other word.", "ok")]


@router.get("/", include_in_schema=False)
def root() -> RedirectResponse:
    """Where a person who opens the address in a browser finds something to read."""
    return RedirectResponse("/docs")


@router.get("/healthz")
async def healthz() -> Alive:
    """This process answers."""
    return Alive("ok")


@router.get("/readyz", responses={200: _READY, 503: _READY | {"description": "Not ready."}})
def readyz() -> JSONResponse:
    """The database answers too: 200, else 503. Without the broker it is `degraded`, and stays 200:
    nothing is sent, but uploads and callbacks are still taken, and taking them must go on."""
    found = {"database": _database(), "broker": _broker()}
    if found["database"] != "ok":
        return JSONResponse({"status": "not ready"} | found, status_code=503)
    status = "ready" if found["broker"] == "ok" else "degraded"
    return JSONResponse({"status": status} | found)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics() -> Response:
    """For Prometheus: this process's counters, and what the ledger says, at most 5 s old."""
    return Response(generate_latest(_registry()), media_type=CONTENT_TYPE_LATEST)


_ASK = text("SELECT stopped_at FROM control")


def _database() -> str:
    try:
        with transaction() as connection:
            connection.execute(_ASK)
    except (DBAPIError, PoolTimeout, Misconfigured) as error:
        return _why(error)
    return "ok"


def _broker() -> str:
    # Redis, AMQP and their drivers each have errors of their own; any of them means the same here.
    try:
        with celery.connection_for_write(connect_timeout=_BROKER_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, timeout=_BROKER_SECONDS)
    except Exception as error:
        return _why(error)
    return "ok"


def _why(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error.__cause__ or error
    return f"does not answer ({type(cause).__name__})"


_GAUGES: Final = {
    "volley_messages": "Messages by status, over all campaigns",
    "volley_campaigns": "Campaigns by status",
    "volley_oldest_due_seconds": "How long the oldest due message has waited",
    "volley_waiting_callbacks": "Callbacks stored and not applied yet",
    "volley_stranger_callbacks": "Callbacks of the last day that another account has signed",
    "volley_sending_stopped": "1 while all sending is stopped",
    "volley_schedulers": "Schedulers that share the agents now",
    "volley_leases_held": "Of the 64 shards of agents, how many a living scheduler holds",
    "volley_ledger_up": "1 when the ledger could be read",
}


class _Ledger:
    """A Prometheus collector that asks Postgres, seldom."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at = -_FRESH_SECONDS
        self._readings: Readings | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges, as prometheus_client asks for them."""
        found = self._fresh()
        yield _gauge("volley_ledger_up", float(found is not None))
        if found is None:
            return
        yield _by_status("volley_messages", {s: found.messages.get(s, 0) for s in MessageStatus})
        yield _by_status("volley_campaigns", {s: found.campaigns.get(s, 0) for s in CampaignStatus})
        yield _gauge("volley_oldest_due_seconds", found.oldest_due_seconds)
        yield _gauge("volley_waiting_callbacks", found.waiting_callbacks)
        yield _gauge("volley_stranger_callbacks", found.stranger_callbacks)
        yield _gauge("volley_sending_stopped", float(found.stopped))
        yield _gauge("volley_schedulers", found.schedulers)
        yield _gauge("volley_leases_held", found.leases_held)

    def _fresh(self) -> Readings | None:
        with self._lock:
            if time.monotonic() - self._read_at >= _FRESH_SECONDS:
                self._readings = _readings()
                self._read_at = time.monotonic()
            return self._readings


def _readings() -> Readings | None:
    try:
        with transaction() as connection:
            return readings(connection)
    except (DBAPIError, PoolTimeout, Misconfigured):
        return None


def _gauge(name: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, _GAUGES[name], value=value)


def _by_status(name: str, numbers: dict[Any, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, _GAUGES[name], labels=["status"])
    for status, number in numbers.items():
        family.add_metric([str(status)], number)
    return family


def _registry() -> CollectorRegistry:
    """The counters of this machine's processes (alone: this one's), and the ledger's gauges."""
    with _MAKING:  # a cache lets two that are asked first at once both make it
        return _made()


@cache
def _made() -> CollectorRegistry:
    registry = CollectorRegistry()
    try:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    except ValueError:  # no PROMETHEUS_MULTIPROC_DIR
        registry = REGISTRY
    registry.register(_Ledger())
    return registry

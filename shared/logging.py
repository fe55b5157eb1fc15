"""Structured logs: events in the past tense with ids bound. Never a number, never a body.

Also silences libraries that log personal data (the Twilio SDK logs parameters at DEBUG).
"""

import logging
import re
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from shared.errors import InWords
from shared.given.faults import UnusableSettings, end_in_a_line
from shared.legible import legible
from shared.settings import settings

_PHONE = re.compile(r"(?<![\w.-])\+?\d{7,15}(?![\w-])")
_CHATTY = ("twilio", "twilio.http_client", "httpx", "kombu", "celery", "alembic", "uvicorn.access")
_MASKED_KEYS = {"phone", "to", "number", "body", "text", "recipient"}


def get_logger(name: str) -> Any:
    """A logger bound to its module's name."""
    return structlog.stdlib.get_logger(name)


def configure_logging(role: str) -> None:
    """Route structlog and the standard library through one renderer; `role` marks every line.

    A program that ends by `Refused` prints that one line instead of a traceback.
    """
    processors = _shared_processors()
    structlog.configure(
        processors=[*processors, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(_level()),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _mask,
                _renderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_level())
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(role=role)
    end_in_a_line(InWords, UnusableSettings)


def _shared_processors() -> list[structlog.typing.Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]


def _renderer() -> structlog.typing.Processor:
    form = settings().log_format or ("console" if sys.stderr.isatty() else "json")
    if form == "console":
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    return structlog.processors.JSONRenderer()


def _level() -> int:
    return logging.getLevelNamesMapping()[settings().log_level.upper()]


def _mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Shorten everything that looks like a phone number to its last two digits, and replace
    terminal escapes.
    """
    for key, value in event.items():
        if key in _MASKED_KEYS:
            event[key] = "…"
        elif isinstance(value, str) and key not in {"timestamp", "logger"}:
            event[key] = legible(_PHONE.sub(lambda m: "…" + m.group()[-2:], value))
    return event

"""Instants as text for people and programs, always in UTC. Pure."""

from datetime import UTC, datetime


def instant(value: datetime | None) -> str | None:
    """An instant in ISO 8601, always in UTC and always written with Z."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if value else None


def spoken(value: datetime) -> str:
    """An instant for a sentence: `2026-11-20 17:10 UTC`."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"

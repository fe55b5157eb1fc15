"""Imports, away from the processes that serve: in a child of a fork server, with limits."""

from scheduler.import_process.imports import Busy, load, start

__all__ = ["Busy", "load", "start"]

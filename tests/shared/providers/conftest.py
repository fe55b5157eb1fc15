"""Every scene runs on both event loops that Volley runs on."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Run a coroutine to its end: run(scene())."""
    return asyncio.run if request.param == "asyncio" else uvloop.run

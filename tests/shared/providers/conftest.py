"""Every scene runs on both event loops that Volley runs on."""

import asyncio

import pytest
import uvloop


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Run a coroutine to its end: run(scene())."""
    return asyncio.run if request.param == "asyncio" else uvloop.run

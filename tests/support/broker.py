"""Point the Celery app at another broker for the length of a block."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kombu import pools

from shared.queue.app import app


@contextmanager
def broker(url: str) -> Iterator[None]:
    """Jobs are published to the broker at `url`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app.amqp, "_producer_pool", None)
        patch.setattr(app, "_pool", None)
        patch.setitem(app.conf, "broker_url", url)
        try:
            yield
        finally:
            pools.reset()

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
        patch.setitem(app.conf, "broker_url", url)
        _forget_pools()
        try:
            yield
        finally:
            _forget_pools()


def _forget_pools() -> None:
    """Close all pools and have the app make new ones: a closed pool gives no connection again."""
    pools.reset()
    app.amqp._producer_pool = None  # type: ignore[attr-defined]
    app._pool = None  # type: ignore[attr-defined]

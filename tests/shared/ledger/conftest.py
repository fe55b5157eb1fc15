"""A campaign in a fresh database, for every test of the ledger."""

import pytest

from tests.support.ledger import Scene


@pytest.fixture
def scene(database: str) -> Scene:
    return Scene()

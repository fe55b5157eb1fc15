"""Hostile files under the limits that there really are: read or refused, in flat memory."""

import sys
from collections.abc import Iterator

import pytest

from scheduler.import_process.parent import Nursery
from scheduler.ingest import uploads
from tests.support import factories
from tests.support.hostile_files import HOSTILE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="peaks are in kibibytes there")

MOST_MIB = 200


@pytest.fixture(scope="module")
def server() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@pytest.mark.parametrize("shape", HOSTILE)
def test_a_hostile_file_takes_less_than_200_mib(database: str, server: Nursery, shape: str) -> None:
    upload_id = uploads.new("guests.csv")
    uploads.put(upload_id, [HOSTILE[shape](1)])
    made = factories.campaign(
        factories.agent(), status="draft", upload_id=upload_id, mode="direct",
        settings={"template": "Hi"},
    )  # fmt: skip

    ended = server.run(made)

    print(f"{shape}: {ended.peak / 1024:.0f} MiB, {ended.seconds:.1f} s: {ended.said}")
    assert not ended.limit
    assert ended.said.get("error", "refused") == "refused", ended
    assert ended.peak / 1024 < MOST_MIB

"""Which number was accepted where, however many there are."""

import random

import pytest

from scheduler.ingest.seen import Seen


@pytest.mark.parametrize("in_memory", [3, 1000, 100_000])
def test_the_map_is_exact_in_memory_and_on_disk(in_memory):
    numbers = random.Random(3).sample(range(10**14), 2000)

    with Seen(in_memory=in_memory) as seen:
        for row, number in enumerate(numbers):
            assert seen.row_of(number) is None
            seen.add(number, row)

        assert [seen.row_of(number) for number in numbers] == list(range(2000))
        assert seen.row_of(10**14 + 1) is None


def test_its_scratch_file_is_gone_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen = Seen(in_memory=1)
    seen.add(15551230000, 2)
    assert list(tmp_path.iterdir())

    seen.close()
    seen.close()

    assert list(tmp_path.iterdir()) == []

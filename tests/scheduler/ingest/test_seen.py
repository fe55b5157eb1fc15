"""Which number was accepted where, however many there are."""

import random

import pytest

from scheduler.ingest.seen import Seen


@pytest.mark.parametrize("batch", [1, 7, 600])
@pytest.mark.parametrize("in_memory", [3, 1000, 100_000])
def test_the_map_is_exact_in_memory_and_on_disk(in_memory, batch):
    dice = random.Random(3)
    numbers = dice.sample(range(10**14), 2000)
    asked = [number for number in numbers for _ in range(dice.choice([1, 1, 2]))]
    dice.shuffle(asked)
    first = {}
    for row, number in enumerate(asked):
        first.setdefault(number, row)

    with Seen(in_memory=in_memory) as seen:
        repeated = {}
        for start in range(0, len(asked), batch):
            rows = range(start, min(start + batch, len(asked)))
            taken = seen.claim([asked[row] for row in rows], rows)
            repeated |= {start + place: row for place, row in taken.items()}

        assert repeated == {
            row: first[number] for row, number in enumerate(asked) if first[number] != row
        }
        assert [seen.row_of(number) for number in numbers] == [first[n] for n in numbers]
        assert seen.row_of(10**14 + 1) is None


def test_its_scratch_file_is_gone_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen = Seen(in_memory=1)
    seen.claim([15551230000], [2])
    assert list(tmp_path.iterdir())

    seen.close()
    seen.close()

    assert list(tmp_path.iterdir()) == []

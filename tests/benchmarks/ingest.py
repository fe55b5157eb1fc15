"""Import of a campaign's file, validated and loaded, against COPY of the very same rows.

The importer runs in a process of its own (`python -m tests.benchmarks.ingest CAMPAIGN`), so that
its memory is its own.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg

from scheduler.ingest.load import load
from shared.db.queries import uploads
from tests.benchmarks import people
from tests.benchmarks.processes import peak_mib
from tests.benchmarks.row import Row, faster, within
from tests.benchmarks.world import plain, world
from tests.support import factories

QUICK, LONG = 50_000, 1_000_000
MOST_MIB = 200
TABLES = ("recipient", "message", "reject")


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """Rows per second into a new campaign, and the importer's peak memory."""
    rows = QUICK if quick else LONG
    pairs, peaks = [], []
    with world() as servers, plain(servers) as bare, tempfile.TemporaryDirectory() as kept:
        file = Path(kept, "people.csv")
        good = people.write(file, rows)
        for _ in range(rounds if quick else min(rounds, 3)):
            ours, peak = _imported(file)
            assert _counted(bare) == [good, good, rows - good]
            blobs = [_exported(bare, table, Path(kept, table)) for table in TABLES]
            copied = _copied(bare, blobs)
            assert _counted(bare) == [good, good, rows - good]
            _emptied(bare)
            pairs.append((rows / ours, rows / copied))
            peaks.append((peak, float(MOST_MIB)))
    note = f"{rows:,} rows, one in ten numbers not in E.164, one in a hundred twice"
    return [
        faster("ingest, new campaign", pairs, unit="rows/s", target=0.80, note=note),
        within("ingest, peak memory", peaks, unit="MiB", most=1, note=f"limit {MOST_MIB} MiB"),
    ]


def _imported(file: Path) -> tuple[float, float]:
    """Seconds and peak MiB."""
    upload_id = uploads.new("people.csv")
    with file.open("rb") as opened:
        uploads.put(upload_id, iter(lambda: opened.read(1 << 20), b""))
    campaign = factories.campaign(
        factories.agent(), status="draft", upload_id=upload_id, mode="direct",
        settings={"template": people.TEMPLATE},
    )  # fmt: skip
    command = [sys.executable, "-m", "tests.benchmarks.ingest", str(campaign)]
    *_, answer = subprocess.check_output(command).splitlines()  # logs come first
    seconds, peak = json.loads(answer)
    return float(seconds), float(peak)


def _exported(bare: "psycopg.Connection[tuple[object, ...]]", table: str, to: Path) -> Path:
    with bare.cursor() as cursor, to.open("wb") as file:
        with cursor.copy(f"COPY {table} TO STDOUT") as copy:
            for piece in copy:
                file.write(piece)
    return to


def _copied(bare: "psycopg.Connection[tuple[object, ...]]", blobs: Sequence[Path]) -> float:
    """Seconds that COPY takes for these files, one transaction."""
    _emptied(bare)
    began = time.perf_counter()
    with bare.transaction(), bare.cursor() as cursor:
        for blob in blobs:
            with cursor.copy(f"COPY {blob.name} FROM STDIN") as copy:
                for piece in _pieces(blob):
                    copy.write(piece)
    return time.perf_counter() - began


def _pieces(blob: Path) -> Iterator[bytes]:
    with blob.open("rb") as file:
        yield from iter(lambda: file.read(1 << 18), b"")


def _emptied(bare: "psycopg.Connection[tuple[object, ...]]") -> None:
    bare.execute("TRUNCATE recipient, message, reject, campaign_count, upload_chunk")
    bare.execute("CHECKPOINT")


def _counted(bare: "psycopg.Connection[tuple[object, ...]]") -> list[object]:
    counts = "SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in TABLES)
    (found,) = bare.execute(counts)
    return list(found)


def main(campaign_id: int) -> None:
    """Import that campaign; print seconds and peak MiB as JSON."""
    began = time.perf_counter()
    assert load(campaign_id)
    print(json.dumps([time.perf_counter() - began, peak_mib()]))


if __name__ == "__main__":
    main(int(sys.argv[1]))

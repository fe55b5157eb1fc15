"""Import of a campaign's file, validated and loaded, against COPY of the very same rows.

The importer runs in a process of its own (`python -m tests.benchmarks.ingest CAMPAIGN`), so that
its memory is its own.
"""

import csv
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg

from scheduler.ingest import Reject, uploads, write_rejects
from scheduler.ingest.check.row_errors import nothing_in
from scheduler.ingest.load.importer import load
from shared.db.session import transaction
from tests.benchmarks import people
from tests.benchmarks.processes import peak_mib
from tests.benchmarks.row import Pair, Row, faster, within
from tests.benchmarks.world import plain, world
from tests.support import factories
from tests.support.embedded import temporary_directory

QUICK, LONG = 50_000, 1_000_000
MOST_MIB = 200
TABLES = ("recipient", "message", "reject")
Bare = psycopg.Connection[tuple[object, ...]]


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """Rows per second into a new campaign and beside an old one; the importer's peak memory."""
    rows = QUICK if quick else LONG
    fresh, peaks, merged = [], [], []
    with world() as servers, plain(servers) as bare, temporary_directory() as kept:
        file = Path(kept, "people.csv")
        good = people.write(file, rows)
        rejects = Path(kept, "mended.csv")
        news = _mended(rejects, rows, of=file)
        for _ in range(rounds if quick else min(rounds, 3)):
            pair, peak = _new(bare, file, rows, good=good)
            fresh.append(pair)
            peaks.append((peak, float(MOST_MIB)))
            merged.append(_beside(bare, rejects, rows, news=news, good=good))
            _emptied(bare)
    note = f"{rows:,} rows, one in ten numbers not in E.164, one in a hundred twice"
    beside = f"a reject file of {rows // 2:,} rows comes back, half with numbers texted already"
    return [
        faster("ingest, new campaign", fresh, unit="rows/s", target=0.80, note=note),
        faster("ingest, merge", merged, unit="rows/s", target=0.60, note=beside),
        within("ingest, peak memory", peaks, unit="MiB", most=1, note=f"limit {MOST_MIB} MiB"),
    ]


def _new(bare: Bare, file: Path, rows: int, *, good: int) -> tuple[Pair, float]:
    """Rows a second into empty tables, ours and COPY's, and our peak MiB."""
    _emptied(bare)
    ours, peak = _imported(bare, file)
    assert _counted(bare) == [good, good, rows - good]
    blobs = [_exported(bare, f"SELECT * FROM {table}", file.with_name(table)) for table in TABLES]
    _emptied(bare)
    copied = _copied(bare, blobs)
    assert _counted(bare) == [good, good, rows - good]
    return (rows / ours, rows / copied), peak


def _beside(bare: Bare, file: Path, rows: int, *, news: int, good: int) -> Pair:
    """The same for a mended file, into tables that have the campaign its rows come from."""
    both = [good + news, good + news, rows - good + rows // 2 - news]
    ours, _ = _imported(bare, file)
    assert _counted(bare) == both
    latest = "SELECT * FROM {} WHERE campaign_id = (SELECT max(id) FROM campaign)"
    blobs = [
        _exported(bare, latest.format(table), file.with_name(f"{table}-merged")) for table in TABLES
    ]
    _emptied(bare)
    _copied(bare, [file.with_name(table) for table in TABLES])
    bare.execute("CHECKPOINT")
    copied = _copied(bare, blobs)
    assert _counted(bare) == both
    return rows / 2 / ours, rows / 2 / copied


def _mended(file: Path, rows: int, *, of: Path) -> int:
    """The reject file of another one, mended: half as many rows, half of them new numbers."""
    header = ["name", "phone", "city", "reference"]
    fault = nothing_in(0, "name", "")
    with file.open("w", newline="") as out:
        given = (
            Reject(row, "name", "", fault.code, fault.reason, fault.fix, cells)
            for row, cells in enumerate(_half_new(rows), 2)
        )
        write_rejects(out, header, given, origin=hashlib.sha256(of.read_bytes()).hexdigest())
    return rows // 2 - len(range(0, rows // 2, 2))


def _half_new(rows: int) -> Iterator[list[str]]:
    """Rows with a number of the people's file in turn with one that is not in it."""
    for i, cells in enumerate(csv.reader(people.lines(rows // 2))):
        yield [cells[0], people.phone(rows + i if i % 2 else 2 * i), *cells[2:]]


def _imported(bare: Bare, file: Path) -> tuple[float, float]:
    """Seconds and peak MiB."""
    upload_id = uploads.new(file.name)
    with file.open("rb") as opened:
        uploads.put(upload_id, iter(lambda: opened.read(1 << 20), b""))
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    with transaction() as connection:
        uploads.seal(connection, upload_id, sha256=sha256, size=file.stat().st_size)
    campaign = factories.campaign(
        factories.agent(), status="draft", upload_id=upload_id, mode="direct",
        settings={"template": people.TEMPLATE},
    )  # fmt: skip
    bare.execute("CHECKPOINT")
    command = [sys.executable, "-m", "tests.benchmarks.ingest", str(campaign)]
    *_, answer = subprocess.check_output(command).splitlines()  # logs come first
    seconds, peak = json.loads(answer)
    return float(seconds), float(peak)


def _exported(bare: Bare, query: str, to: Path) -> Path:
    with bare.cursor() as cursor, to.open("wb") as file:
        with cursor.copy(f"COPY ({query}) TO STDOUT") as copy:
            for piece in copy:
                file.write(piece)
    return to


def _copied(bare: Bare, blobs: Sequence[Path]) -> float:
    """Seconds that COPY takes for these files, one transaction."""
    began = time.perf_counter()
    with bare.transaction(), bare.cursor() as cursor:
        for blob in blobs:
            with cursor.copy(f"COPY {blob.name.partition('-')[0]} FROM STDIN") as copy:
                for piece in _pieces(blob):
                    copy.write(piece)
    return time.perf_counter() - began


def _pieces(blob: Path) -> Iterator[bytes]:
    with blob.open("rb") as file:
        yield from iter(lambda: file.read(1 << 18), b"")


def _emptied(bare: Bare) -> None:
    bare.execute("TRUNCATE recipient, message, reject, campaign_count, upload_chunk")
    bare.execute("CHECKPOINT")


def _counted(bare: Bare) -> list[object]:
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

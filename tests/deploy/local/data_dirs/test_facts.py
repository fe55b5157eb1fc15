"""A data directory says how many campaigns it holds while no server runs on it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from deploy.local.data_dirs import facts, leftovers
from deploy.local.data_dirs.clean import describe
from deploy.local.data_dirs.data_dir import places
from deploy.local.data_dirs.leftovers import Leftover
from deploy.local.data_dirs.ties import Tie
from deploy.local.stack import running_stack
from shared import clock
from shared.settings import Settings
from tests.support.data_directories import let_rest
from tests.support.embedded import temporary_data_dir

CAMPAIGN = """
    INSERT INTO campaign (name, status, mode, priority, settings, fingerprint)
    VALUES ('left', 'cancelled', 'direct', 3, '{}', gen_random_uuid()::text)
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with temporary_data_dir() as path:
        yield path


@pytest.mark.stack
def test_a_stack_counts_its_campaigns_and_its_data_outlive_it_until_they_are_cleaned(
    data_dir: Path,
) -> None:
    """The whole life of a data directory, as root or as an ordinary user."""
    unset = {f"VOLLEY_{name.upper()}": "" for name in Settings.model_fields}
    options = ["--port=0", "--workers=1", "--no-carrier", "--no-flower"]
    began = clock.unix()
    with running_stack(
        data_dir=data_dir, options=options, env=unset | {"VOLLEY_ENV_FILE": ""}
    ) as up:
        servers = places(data_dir).servers
        assert leftovers.busy(servers) != ""
        plain = up.database_url.replace("postgresql+psycopg", "postgresql")
        with closing(psycopg.connect(plain, autocommit=True)) as connection:
            for _ in range(2):
                connection.execute(CAMPAIGN)

    counted = facts.read(servers)
    assert counted is not None
    assert counted.campaigns == 2
    assert counted.at >= began
    assert leftovers.busy(servers) == ""
    if os.geteuid() != 0:
        assert servers.parent == data_dir  # it goes with its DATA_DIR
        return
    shutil.rmtree(data_dir)
    let_rest(servers)
    (left,) = [one for one in leftovers.leftovers() if one.path == servers]
    assert (left.tie, left.removable) == (Tie.GONE, True)
    assert describe(left).startswith("2 campaigns on ")
    assert left.size > 10_000_000
    leftovers.remove(servers)
    assert not servers.exists()


@pytest.mark.parametrize(
    ("has_database", "written", "says"),
    [
        (True, '{"campaigns": 0, "at": 1790000000}', "0 campaigns on 2026-09-21 14:13 UTC"),
        (True, '{"campaigns": 1, "at": 1790000000}', "1 campaign on 2026-09-21 14:13 UTC"),
        (True, None, "nobody has counted its campaigns"),
        (True, "{", "nobody has counted its campaigns"),
        (False, None, "no database"),
    ],
)
def test_what_was_counted_is_told_with_its_time_and_what_was_not_is_not_guessed(
    tmp_path: Path, has_database: bool, written: str | None, says: str
) -> None:
    if has_database:
        (tmp_path / "postgres").mkdir()
    if written is not None:
        (tmp_path / facts.NAME).write_text(written)

    one = Leftover(tmp_path, Tie.GONE, None, facts.read(tmp_path), 0, 0.0, "")

    assert describe(one).split("; ")[0] == says

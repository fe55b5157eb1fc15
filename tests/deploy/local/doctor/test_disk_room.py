"""A disk that is full or may not be written to is named, with its directory."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.data_dirs.data_dir import Places, discard, places
from deploy.local.doctor.disk_room import LEAST_ROOM, data_dir, require_room
from deploy.local.doctor.finding import Verdict
from shared.errors import Refused
from shared.settings import Settings


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a mebibyte and 20 names; only root can have one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m,nr_inodes=20", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_named_by_the_doctor_and_refused_at_the_start(small_disk: Path) -> None:
    found = data_dir(Settings(data_dir=small_disk / "data"))

    assert found.verdict is Verdict.FAIL
    assert str(small_disk) in found.says
    assert "VOLLEY_DATA_DIR" in found.fix
    with pytest.raises(Refused, match=f"{small_disk} has no room.*VOLLEY_DATA_DIR"):
        require_room(Places(small_disk, small_disk, user=None))


def test_a_disk_with_no_name_left_is_named_when_directories_are_made(small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space"):
        for n in range(21):
            (small_disk / f"{n}").touch()

    with pytest.raises(Refused, match=f"VOLLEY_DATA_DIR: {small_disk}.*No space"):
        places(small_disk / "data")


def test_a_disk_that_is_read_only_is_named(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    for place in (small_disk, small_disk / "data"):
        found = data_dir(Settings(data_dir=place))
        assert found.verdict is Verdict.FAIL
        assert str(place) in found.says
    with pytest.raises(Refused, match=f"VOLLEY_DATA_DIR: {small_disk}/data .*Read-only"):
        places(small_disk / "data")


def test_the_room_is_looked_at_where_the_servers_data_lies_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    own = tmp_path / "data"
    own.mkdir(mode=0o700)
    (own / "servers").symlink_to(elsewhere)
    real = os.statvfs

    def little_elsewhere(path: Path) -> os.statvfs_result:
        found = list(real(path))
        if Path(path) == elsewhere:
            found[3] = found[4] = (LEAST_ROOM - 1) // found[1]  # f_bfree and f_bavail
        return os.statvfs_result(found)

    assert data_dir(Settings(data_dir=own)).verdict is Verdict.OK
    monkeypatch.setattr(os, "statvfs", little_elsewhere)

    assert str(elsewhere) in data_dir(Settings(data_dir=own)).says


def test_a_directory_with_room_is_well_and_stays_as_it_was(tmp_path: Path) -> None:
    assert data_dir(Settings(data_dir=tmp_path / "data")).verdict is Verdict.OK
    assert not (tmp_path / "data").exists()

    made = places(tmp_path / "data")
    try:
        require_room(made)
    finally:
        discard(made.data_dir)

"""A DATA_DIR and its data directory know each other by an id, wherever either is moved to."""

import shutil
from pathlib import Path

import pytest

from deploy.local.data_dirs import ties
from deploy.local.data_dirs.data_dir import places
from deploy.local.data_dirs.ties import Tie, look, tie
from tests.support.data_directories import linked

OTHER_FILESYSTEM = Path("/dev/shm")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A DATA_DIR and its data directory."""
    data_dir, real = tmp_path / "project/data", tmp_path / "root/servers-1"
    return data_dir, linked(data_dir, real)


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every two directories lie on filesystems of their own."""

    def refuse(self: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)


def test_they_name_each_other_by_one_random_id(pair: tuple[Path, Path], tmp_path: Path) -> None:
    data_dir, real = pair
    other = linked(tmp_path / "other/data", tmp_path / "root/servers-2")

    assert (data_dir / ties.NAME).samefile(real / ties.NAME)
    assert (real / ties.NAME).stat().st_mode & 0o777 == 0o600
    assert (real / ties.NAME).read_text() != (other / ties.NAME).read_text()
    assert look(real) is look(other) is Tie.HERE


def test_to_use_it_again_changes_nothing(pair: tuple[Path, Path]) -> None:
    data_dir, real = pair
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in sorted(real.iterdir())]

    places(data_dir)

    assert [(p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(real.iterdir())] == before


def test_a_data_dir_that_is_deleted_is_gone(pair: tuple[Path, Path]) -> None:
    data_dir, real = pair

    shutil.rmtree(data_dir)

    assert look(real) is Tie.GONE


@pytest.mark.parametrize("moved", ["project/renamed", "elsewhere/deep/below/data"])
def test_a_data_dir_that_is_renamed_is_not_gone_and_is_found_when_it_is_used(
    pair: tuple[Path, Path], tmp_path: Path, moved: str
) -> None:
    data_dir, real = pair
    new = tmp_path / moved
    new.parent.mkdir(parents=True, exist_ok=True)

    data_dir.rename(new)
    assert look(real) is Tie.MOVED
    places(new)

    assert look(real) is Tie.HERE
    assert ties.owner(real) == new


def test_a_renamed_project_is_not_gone(pair: tuple[Path, Path], tmp_path: Path) -> None:
    data_dir, real = pair

    data_dir.parent.rename(tmp_path / "the project's new name")

    assert look(real) is Tie.MOVED


def test_a_data_dir_that_we_know_of_is_asked_too(pair: tuple[Path, Path], tmp_path: Path) -> None:
    data_dir, real = pair
    (data_dir / ties.NAME).unlink()  # as a backup that does not keep the second name

    data_dir.rename(tmp_path / "new")

    assert look(real) is Tie.GONE
    assert look(real, known=[tmp_path / "new"]) is Tie.HERE


@pytest.mark.usefixtures("apart")
def test_between_filesystems_a_data_dir_that_is_not_seen_is_never_called_gone(
    pair: tuple[Path, Path],
) -> None:
    data_dir, real = pair
    assert (data_dir / ties.NAME).read_text() == (real / ties.NAME).read_text()
    assert look(real) is Tie.HERE

    data_dir.rename(data_dir.with_name("on a disk that is not mounted"))

    assert look(real) is Tie.UNSURE


def test_on_a_real_second_filesystem_it_is_the_same(tmp_path: Path) -> None:
    if not OTHER_FILESYSTEM.is_dir() or (OTHER_FILESYSTEM.stat().st_dev == tmp_path.stat().st_dev):
        pytest.skip("no second filesystem here")
    data_dir = OTHER_FILESYSTEM / tmp_path.parent.name / tmp_path.name
    try:
        real = linked(data_dir, tmp_path / "servers-1")
        assert look(real) is Tie.HERE
    finally:
        shutil.rmtree(data_dir.parent)

    assert look(real) is Tie.UNSURE


def test_a_data_dir_moved_to_another_filesystem_and_used_there_is_not_called_gone_later(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data_dir, real = pair
    new = tmp_path / "disk/data"
    shutil.copytree(data_dir, new, symlinks=True)
    shutil.rmtree(data_dir)
    monkeypatch.setattr(Path, "hardlink_to", lambda *_: (_ for _ in ()).throw(OSError(18, "no")))

    places(new)
    assert look(real) is Tie.HERE
    new.rename(tmp_path / "not mounted")

    assert look(real) is Tie.UNSURE


def test_data_that_a_backup_brought_back_are_not_called_gone(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    data_dir, real = pair
    shutil.copytree(real, tmp_path / "backup")
    data_dir.rename(tmp_path / "brought back to another place")
    shutil.rmtree(real)

    shutil.copytree(tmp_path / "backup", real)

    assert look(real) is Tie.UNSURE


def test_a_copied_data_dir_counts_as_much_as_the_first(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    data_dir, real = pair
    copy = tmp_path / "copy"
    shutil.copytree(data_dir, copy, symlinks=True)
    for used in (copy, data_dir):
        places(used)

    shutil.rmtree(data_dir)

    assert look(real) is Tie.MOVED


def test_a_link_led_elsewhere_by_hand_counts(pair: tuple[Path, Path], tmp_path: Path) -> None:
    data_dir, real = pair
    other = linked(tmp_path / "other/data", tmp_path / "root/servers-2")
    (data_dir / ties.LINK).unlink()
    (data_dir / ties.LINK).symlink_to(other)

    places(data_dir)

    assert look(other) is Tie.HERE
    assert look(real) is Tie.GONE


def test_data_begun_anew_do_not_keep_the_old_ones(pair: tuple[Path, Path], tmp_path: Path) -> None:
    data_dir, real = pair
    (data_dir / ties.LINK).unlink()

    new = linked(data_dir, tmp_path / "root/servers-2")

    assert (look(new), look(real)) == (Tie.HERE, Tie.GONE)


def test_a_directory_made_before_the_ids_is_here_or_unsure_and_gets_one_at_the_next_start(
    tmp_path: Path,
) -> None:
    data_dir, real = tmp_path / "data", tmp_path / "servers-old"
    for made in (data_dir, real):
        made.mkdir()
    (data_dir / ties.LINK).symlink_to(real)
    (real / ties.OWNER).write_text(f"{data_dir}\n")
    assert look(real) is Tie.HERE
    data_dir.rename(tmp_path / "away")
    assert look(real) is Tie.UNSURE

    (tmp_path / "away").rename(data_dir)
    places(data_dir)
    shutil.rmtree(data_dir)

    assert look(real) is Tie.GONE


@pytest.mark.parametrize("written", ["", "{", "[]", "{}", '{"id": "x", "inode": "y"}', "\xff"])
def test_an_id_that_cannot_be_read_says_nothing_and_is_mended(
    pair: tuple[Path, Path], tmp_path: Path, written: str
) -> None:
    data_dir, real = pair
    (real / ties.NAME).write_bytes(written.encode("latin-1"))

    data_dir.rename(tmp_path / "away")
    assert look(real) is Tie.UNSURE
    tie(tmp_path / "away", real)

    assert look(real) is Tie.HERE
    assert (tmp_path / "away" / ties.NAME).samefile(real / ties.NAME)


def test_nothing_is_left_beside_the_id(pair: tuple[Path, Path]) -> None:
    data_dir, real = pair
    (data_dir / ties.NAME).unlink()
    tie(data_dir, real)
    tie(data_dir, real)

    assert sorted(path.name for path in data_dir.iterdir()) == [ties.LINK, ties.NAME]
    assert sorted(path.name for path in real.iterdir()) == [ties.OWNER, ties.NAME]

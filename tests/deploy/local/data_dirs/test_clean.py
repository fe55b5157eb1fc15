"""`volley clean` and `volley doctor` on what is left over: told, asked, and only then removed."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import cli
from deploy.local.data_dirs import data_dir, facts, leftovers, ties
from deploy.local.data_dirs.clean import clean
from deploy.local.doctor.examination import examine
from deploy.local.doctor.finding import Finding, Verdict
from shared.errors import Refused
from tests.support.data_directories import let_rest, linked
from tests.support.environment import environment


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where root would keep data directories."""
    place = tmp_path / "root"
    place.mkdir()
    monkeypatch.setattr(data_dir, "ROOT_PLACES", (place,))
    monkeypatch.chdir(tmp_path)  # where no .env file is
    return place


@pytest.fixture(autouse=True)
def own(root: Path, tmp_path: Path) -> Iterator[None]:
    """The settings' own DATA_DIR has its data, and is never spoken of."""
    linked(tmp_path / "own", root / "servers-own")
    let_rest(root / "servers-own")
    with environment(data_dir=tmp_path / "own"):
        yield


@pytest.fixture
def gone(root: Path, tmp_path: Path) -> Path:
    """Of a deleted DATA_DIR, unused for two days, with three campaigns."""
    real = linked(tmp_path / "deleted", root / "servers-gone")
    (real / facts.NAME).write_text('{"campaigns": 3, "at": 1790000000.0}\n')
    (real / "postgres").mkdir()
    shutil.rmtree(tmp_path / "deleted")
    let_rest(real)
    return real


@pytest.fixture
def unsure(root: Path, tmp_path: Path) -> Path:
    """Made before the ids, unused for two days."""
    real = root / "servers-old"
    real.mkdir()
    (real / ties.OWNER).write_text(f"{tmp_path}/a disk/data\n")
    let_rest(real)
    return real


class Person:
    """Who is asked, and what was said and asked."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.told: list[str] = []

    def __call__(self, question: str) -> bool:
        self.asked.append(question)
        return self.answers.pop(0)

    def cleans(self, **options: object) -> int:
        code = clean(ask=self, tell=self.told.append, **options)  # type: ignore[arg-type]
        assert self.answers == []
        return code


def test_nothing_left_over_is_said_and_nothing_asked(root: Path) -> None:
    person = Person()

    assert person.cleans() == 0
    assert person.told == ["Nothing is left over: every data directory has its DATA_DIR."]
    assert (root / "servers-own").exists()


def test_what_is_left_is_named_with_all_a_person_needs_to_know(gone: Path, tmp_path: Path) -> None:
    person = Person(False)

    person.cleans()

    (line,) = person.told
    assert line.startswith(f"{gone}: 3 campaigns on 2026-09-21 14:13 UTC; 0 MB; last used 20")
    assert f"its DATA_DIR was {tmp_path}/deleted and is gone" in line
    assert person.asked == ["Remove the one whose DATA_DIR is gone, 0 MB, for good?"]


@pytest.mark.parametrize("answer", [False, True])
def test_a_person_decides(gone: Path, answer: bool) -> None:
    assert Person(answer).cleans() == 0

    assert gone.exists() is not answer


def test_yes_is_the_answer_for_what_is_gone(gone: Path, root: Path) -> None:
    assert Person().cleans(yes=True) == 0

    assert [path.name for path in root.iterdir()] == ["servers-own"]


def test_yes_does_not_speak_for_what_cannot_be_seen(gone: Path, unsure: Path) -> None:
    person = Person()

    person.cleans(yes=True)

    assert (gone.exists(), unsure.exists()) == (False, True)
    assert person.told[-2] == (
        f"{unsure} stays: it takes volley clean --yes {unsure}, or an answer"
    )


def test_what_cannot_be_seen_is_asked_for_alone(gone: Path, unsure: Path, tmp_path: Path) -> None:
    person = Person(False, True)

    person.cleans()

    assert (gone.exists(), unsure.exists()) == (True, False)
    assert person.asked[1].startswith(f"{unsure}: its DATA_DIR {tmp_path}/a disk/data may be on a")


def test_what_is_named_goes_and_the_others_stay(gone: Path, unsure: Path) -> None:
    Person().cleans(yes=True, named=[unsure])

    assert (gone.exists(), unsure.exists()) == (True, False)


@pytest.mark.parametrize("name", ["servers-own", "servers-unheard-of", "."])
def test_what_is_named_and_no_leftover_is_refused_and_nothing_goes(
    gone: Path, root: Path, name: str
) -> None:
    with pytest.raises(Refused, match="is no leftover"):
        Person().cleans(yes=True, named=[gone, root / name])

    assert gone.exists()
    assert (root / "servers-own").exists()


@pytest.mark.parametrize("named", [False, True])
def test_what_was_used_within_a_day_stays_whatever_is_said(
    gone: Path, unsure: Path, named: bool
) -> None:
    for path in (gone, unsure):
        let_rest(path, days=0.9)
    person = Person()

    person.cleans(yes=True, named=[gone, unsure] if named else [])

    assert gone.exists() and unsure.exists()
    assert [line.split("; ")[-1] for line in person.told] == ["stays: used within a day"] * 2


def test_what_is_in_use_stays_whatever_is_said(gone: Path, unsure: Path) -> None:
    with (gone / "postgres.lock").open("w") as one, (unsure / "valkey.lock").open("w") as two:
        for lock in (one, two):
            fcntl.flock(lock, fcntl.LOCK_EX)
        for path in (gone, unsure):
            let_rest(path)

        Person().cleans(yes=True, named=[gone, unsure])

    assert gone.exists() and unsure.exists()


def test_what_comes_into_use_while_the_person_thinks_stays(gone: Path) -> None:
    with (gone / "postgres.lock").open("w") as lock:
        let_rest(gone)
        told: list[str] = []

        def think(question: str) -> bool:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return True

        assert clean(ask=think, tell=told.append) == 1

    assert gone.exists()
    assert told[-1] == f"{gone} stays: its lock is held ({gone}/postgres.lock)."


def test_a_data_dir_that_comes_back_while_the_person_thinks_keeps_its_data(
    gone: Path, tmp_path: Path
) -> None:
    told: list[str] = []

    def think(question: str) -> bool:
        (tmp_path / "deleted").mkdir()
        (tmp_path / "deleted" / ties.LINK).symlink_to(gone)
        return True

    assert clean(ask=think, tell=told.append) == 1
    assert told[-1] == f"{gone} stays: a DATA_DIR leads to it."
    assert gone.exists()


def test_nobody_to_answer_means_no(
    gone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)

        assert cli.run(["clean"]) == 0

    assert "no answer: it stays" in capsys.readouterr().out
    assert gone.exists()


def test_the_command_removes_what_it_is_told_to(
    gone: Path, unsure: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["clean", "--yes", str(gone), str(unsure)]) == 0

    assert capsys.readouterr().out.endswith(f"{gone} is removed\n{unsure} is removed\n")
    assert cli.run(["clean", "--yes", str(gone)]) == 1


def test_the_doctor_names_what_is_left_and_what_to_do(
    gone: Path, unsure: Path, root: Path, tmp_path: Path
) -> None:
    young = linked(tmp_path / "young", root / "servers-young")
    shutil.rmtree(tmp_path / "young")

    found = {line.says.split(":")[0]: line for line in left_data()}

    assert set(found) == {str(path) for path in (unsure, gone, young)}
    assert all(line.verdict is Verdict.WARN for line in found.values())
    assert "3 campaigns" in found[str(gone)].says
    assert found[str(gone)].fix == "volley clean removes it"
    assert "asks" in found[str(unsure)].fix
    assert "unused for a day" in found[str(young)].fix


def test_the_doctor_is_content_when_every_data_directory_has_its_data_dir() -> None:
    (line,) = left_data()

    assert line.verdict is Verdict.OK


def test_looking_is_no_use_of_it(gone: Path) -> None:
    before = leftovers.leftovers()

    examine()
    Person(False).cleans()

    assert leftovers.leftovers() == before


def left_data() -> list[Finding]:
    return [finding for finding in examine() if finding.check == "left data"]

"""Callbacks on disk: nothing that was kept is lost, nothing is stored before it is whole."""

import uuid
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from scheduler.http.callbacks.spool import Spool
from shared.ledger.callbacks import CallbackRow


def callback(n: int) -> CallbackRow:
    return CallbackRow(
        provider="twilio",
        message_id=n,
        part=0,
        token=uuid.UUID(int=n),
        sid=f"SM{n:032d}",
        status="delivered",
        rank=3,
        error_code=None,
        raw="MessageStatus=delivered",
        account="twilio:AC1",
    )


def test_what_was_kept_comes_back_as_it_was(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.keep([callback(1), callback(2)])
    spool.keep([callback(3)])

    home: list[CallbackRow] = []
    drained = spool.drain(home.extend)

    assert drained == 3
    assert sorted(home, key=lambda kept: kept.message_id or 0) == [callback(n) for n in (1, 2, 3)]
    assert not spool.waiting()


@pytest.mark.parametrize(
    "raw",
    ["MessageStatus=delivered&AccountSid=AC7&To=1", '{"AccountSid": "AC7", "To": "1"}'],
    ids=["form", "json"],
)
def test_a_line_of_before_accounts_were_kept_is_of_the_account_it_names(
    tmp_path: Path, raw: str
) -> None:
    spool = Spool(tmp_path)
    spool.keep([replace(callback(1), raw=raw)])
    (group,) = tmp_path.iterdir()
    line = orjson.loads(group.read_bytes())
    del line["account"]
    group.write_bytes(orjson.dumps(line))

    home: list[CallbackRow] = []
    spool.drain(home.extend)

    assert home == [replace(callback(1), raw=raw, account="twilio:AC7")]


def test_a_group_that_cannot_be_stored_yet_stays(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.keep([callback(1)])

    def away(_: list[CallbackRow]) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        spool.drain(away)

    home: list[CallbackRow] = []
    spool.drain(home.extend)
    assert home == [callback(1)]


def test_a_group_held_by_a_process_that_died_is_taken_up_again(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.keep([callback(1)])
    (group,) = (tmp_path / "spool").iterdir()
    group.rename(group.with_suffix(".4194305"))  # no process has this number: it is above pid_max
    assert not spool.waiting()

    Spool(tmp_path / "spool").adopt()

    home: list[CallbackRow] = []
    spool.drain(home.extend)
    assert home == [callback(1)]


def test_a_full_disk_is_an_error_and_leaves_no_half_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path / "spool")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr("scheduler.http.callbacks.spool.os.fsync", full)
        spool.keep([callback(1)])

    assert list((tmp_path / "spool").iterdir()) == []

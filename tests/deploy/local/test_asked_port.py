"""A port somebody asked for is that port or none; the usual one gives way to the next."""

import socket
from pathlib import Path

import pytest

from deploy.local import stack
from deploy.local.places import places
from shared.errors import Refused
from shared.settings import Settings
from tests.support.embedded import temporary_data_dir


def test_a_busy_port_that_was_asked_for_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with temporary_data_dir() as data_dir, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(stack, "settings", lambda: Settings(data_dir=data_dir))

        with pytest.raises(Refused, match="is busy: end what listens there"):
            stack.up(port=taken.getsockname()[1])

        assert stack.current(data_dir) is None
        assert not (data_dir / "servers" / "postgres").exists()


def test_the_usual_port_gives_way_and_says_so() -> None:
    assert stack._busy(8080, 8081, asked_for=False) == "Port 8080 is busy: using 8081."


def test_a_data_directory_that_is_a_file_names_the_setting(tmp_path: Path) -> None:
    file = tmp_path / "passwd"
    file.write_text("x")

    for place in (file, file / "below"):
        with pytest.raises(Refused, match="VOLLEY_DATA_DIR"):
            places(place)

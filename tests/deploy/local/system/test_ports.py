"""Ports on loopback: asked for, next, and kept."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.layout import lay_out
from deploy.local.system import ports
from shared.errors import Refused


@pytest.fixture
def busy() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server((ports.LOOPBACK, ports.any_free())) as server:
        yield server.getsockname()[1]


def test_a_busy_port_gives_way_to_the_next_free_one(busy: int) -> None:
    found = ports.next_free(busy)

    assert found > busy
    assert ports.is_free(found)


def test_a_port_of_the_same_stack_is_not_given_twice() -> None:
    first = ports.any_free()

    assert ports.next_free(first, taken={first}) > first


def test_a_kept_port_is_the_same_at_the_next_start(tmp_path: Path) -> None:
    first = ports.kept(tmp_path / "port")

    assert ports.kept(tmp_path / "port") == first


def test_a_kept_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path, busy: int) -> None:
    (tmp_path / "port").write_text(f"{busy}\n")

    found = ports.kept(tmp_path / "port")

    assert found != busy
    assert ports.kept(tmp_path / "port") == found


def test_no_port_left_is_said_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port, host: False)

    with pytest.raises(Refused, match="--port"):
        ports.next_free(8080)


def test_a_stack_gives_each_program_a_port_of_its_own(busy: int) -> None:
    layout = lay_out(busy, workers=3, carrier=True, flower=True)

    chosen = {layout.http_port, layout.carrier_port, layout.flower_port}
    assert len(chosen) == 3
    assert busy not in chosen


def test_what_is_not_to_run_gets_no_port() -> None:
    layout = lay_out(0, workers=None, carrier=False, flower=False)

    assert (layout.carrier_port, layout.flower_port) == (None, None)
    assert layout.workers >= 1

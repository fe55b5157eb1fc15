"""A port somebody asked for is that port or none; the usual one gives way to the next."""

import socket
from pathlib import Path

import pytest

from deploy.local import stack
from deploy.local.data_dirs.data_dir import places
from deploy.local.plan import Plan
from deploy.local.supervisor import Stopping, Supervisor
from deploy.local.system import ports
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


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_port_of_the_settings_gives_way_to_the_next_and_says_so(
    host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[Plan] = []

    def begin(plan: Plan, _: Supervisor) -> None:
        begun.append(plan)
        raise Stopping("it began")

    with temporary_data_dir() as data_dir, socket.socket() as taken:
        taken.bind((host, 0))
        taken.listen()
        busy = taken.getsockname()[1]
        chosen = Settings(data_dir=data_dir, http_port=busy, http_host=host)
        monkeypatch.setattr(stack, "settings", lambda: chosen)
        monkeypatch.setattr(stack, "_start", begin)

        stack.up()

    (plan,) = begun
    assert plan.layout.http_port > busy
    assert f"Port {busy} is busy: using {plan.layout.http_port}." in capsys.readouterr().out


def test_a_port_on_which_somebody_listens_at_any_address_is_busy() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.2", 0))
        taken.listen()
        busy = taken.getsockname()[1]

        assert ports.is_free(busy)
        assert not ports.is_free(busy, "0.0.0.0")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_an_address_on_which_the_stack_finds_the_api_is_taken(host: str) -> None:
    ports.require_host(host)


@pytest.mark.parametrize("host", ["203.0.113.9", "no host", "::", "127.0.0.2", "x" * 300])
def test_an_address_on_which_it_would_not_is_refused_with_the_mend(host: str) -> None:
    with pytest.raises(Refused, match=r"VOLLEY_HTTP_HOST: .*127\.0\.0\.1.*0\.0\.0\.0"):
        ports.require_host(host)


def test_a_port_that_is_roots_is_not_called_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ports, "_bound", refused)

    with pytest.raises(Refused, match="Port 80 is root's: choose one from 1024"):
        ports.next_free(80)

"""What Flower shows of a RabbitMQ without its management plugin."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from deploy.local.data_dirs.data_dir import places
from deploy.local.readiness import answers
from deploy.local.servers.flower import PASSWORD_FILE, USER, flower
from deploy.local.system import ports
from deploy.local.system.child_process import spawn, stop
from shared.queue.jobs import ApplyReceipts, ComposeOpeners
from shared.queue.publish import publish
from tests.support import own_servers as own
from tests.support.broker import broker
from tests.support.embedded import temporary_data_dir
from tests.support.eventually import eventually

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(bool(own.missing("RabbitMQ")), reason="RabbitMQ is not installed"),
]


@contextmanager
def shown(data_dir: Path, broker_url: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Flower over this broker: its address and its login."""
    port = ports.any_free()
    child = flower(places(data_dir), port=port, env={"VOLLEY_BROKER_URL": broker_url})
    log = data_dir / "logs/flower.log"
    process = spawn(child, log)
    try:

        def up() -> bool:
            assert process.poll() is None, log.read_text()
            return answers(f"http://{ports.LOOPBACK}:{port}", "/healthcheck")

        eventually(up, "Flower to answer", seconds=60, every=0.1)
        password = (data_dir / PASSWORD_FILE).read_text().strip()
        yield f"http://{ports.LOOPBACK}:{port}", (USER, password)
    finally:
        stop(process, child)


def test_every_queue_of_rabbitmq_is_shown_as_long_as_it_is_and_none_while_it_is_away() -> None:
    with (
        temporary_data_dir() as data_dir,
        own.rabbitmq() as server,
        shown(data_dir, server.url) as (url, login),
    ):

        def asked() -> requests.Response:
            return requests.get(f"{url}/api/queues/length", auth=login, timeout=60)

        empty = asked().json()
        with broker(server.url):
            published = publish([*[ComposeOpeners(message_ids=(0,))] * 17, ApplyReceipts()])
        filled = asked().json()
        page = requests.get(f"{url}/broker", auth=login, timeout=60).text
        server.stop(hard=True)
        away = asked()
        server.start()
        back = asked().json()

    assert published == 18
    assert lengths(empty) == {"compose": 0, "receipts": 0, "scheduler": 0, "send": 0}
    assert lengths(filled) == {"compose": 17, "receipts": 1, "scheduler": 0, "send": 0}
    assert "17" in page
    assert away.status_code == 500
    assert lengths(back).keys() == lengths(filled).keys()


def lengths(answer: dict[str, list[dict[str, object]]]) -> dict[object, object]:
    return {queue["name"]: queue["messages"] for queue in answer["active_queues"]}

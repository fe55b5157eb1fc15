"""`make flower`: runs a campaign and writes what Flower's HTTP API said of it.

`python -m tests.chaos.shown FILE` writes deploy/docs/flower.md, or another FILE. The answers are
real and cut to the fields that matter; this machine's name is replaced by `host`.
"""

import json
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.chaos.harness import bench
from tests.support.flower import FlowerApi
from tests.support.sources import ROOT

PAGE: Final = ROOT / "deploy/docs/flower.md"
NAMES: Final = ("scheduler-1", "worker-1", "worker-2", "receipts-1")
IMPORT: Final = "volley.ImportUpload"
#: Rows of a file that is imported by a worker, and not while its sender waits.
LARGE: Final = 21_000
#: Of a task.
FIELDS: Final = ("name", "args", "state", "worker", "received", "started", "succeeded", "runtime")
HEAD: Final = """\
# What Flower shows

Flower runs beside the stack ([decision 0016](decisions/0016-flower-sees-and-cannot-act.md)):
`volley up` says where, and where its password is. Below is what its HTTP API answered at the end of
a campaign with 300 recipients on a stack with two senders, and of an import. `make flower` runs it
again and writes
this page.
"""
SECTIONS: Final = {
    "workers": "Every worker is online, `GET /api/workers?status=1`:",
    "details": "What each consumes and has done, from `GET /api/workers?refresh=1&workername=…` "
    "(cut to queues, pool and totals):",
    "tasks": "The latest two tasks of each kind, from `GET /api/tasks?taskname=…&limit=2` (cut). "
    "`args` is the job's brief; no number and no text ever travels:",
    "queues": "How many jobs wait, `GET /api/queues/length` (of RabbitMQ too: it is asked for each "
    "queue, without its management plugin):",
}


def main(words: Sequence[str]) -> None:
    """Run a stack, send, ask, write."""
    with bench(workers=2, flower=True) as stack:
        flower = FlowerApi(stack.stack)
        stack.launch(stack.upload(300, stack.add_agents(16)))
        stack.converge()
        stack.upload(LARGE, stack.add_agents(1))
        stack.wait(lambda: flower.online() == set(NAMES), "every worker online")
        stack.wait(lambda: flower.tasks(taskname=IMPORT, state="SUCCESS"), "the import")
        stack.wait(lambda: all(flower.worker(name) for name in NAMES), "their answers")
        page = HEAD + "".join(
            f"\n{SECTIONS[name]}\n\n```json\n{_text(answer)}\n```\n"
            for name, answer in _answers(flower).items()
        )
    path = Path(words[0]) if words else PAGE
    path.write_text(page.replace(f"@{socket.gethostname()}", "@host"))
    print(f"wrote {path}")


def _answers(flower: FlowerApi) -> Mapping[str, Any]:
    kinds = ("volley.SendMessages", "volley.ApplyReceipts", IMPORT)
    tasks = [task for kind in kinds for task in flower.tasks(taskname=kind, limit=2)]
    return {
        "workers": flower.get("/api/workers", status=1),
        "details": {name: _cut(flower.worker(name)) for name in NAMES},
        "tasks": [{field: task[field] for field in FIELDS} for task in tasks],
        "queues": flower.get("/api/queues/length"),
    }


def _cut(worker: Mapping[str, Any]) -> Mapping[str, Any]:
    stats = worker["stats"]
    return {
        "active_queues": [queue["name"] for queue in worker["active_queues"]],
        "pool": {k: stats["pool"][k] for k in ("implementation", "max-concurrency")},
        "total": stats["total"],
    }


def _text(answer: Any) -> str:
    """One entry a line: JSON, and short."""
    if isinstance(answer, list):
        return "[\n" + ",\n".join(f"  {json.dumps(one)}" for one in answer) + "\n]"
    lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in answer.items())
    return "{\n" + lines + "\n}"


if __name__ == "__main__":
    main(sys.argv[1:])

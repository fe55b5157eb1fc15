"""Flower as its user sees it: over HTTP, with the password that `volley up` names."""

from typing import Any

import requests

from deploy.local.running import Stack
from deploy.local.servers.flower import PASSWORD_FILE, USER


class FlowerApi:
    """What the Flower of a stack says. A request that fails raises."""

    def __init__(self, stack: Stack) -> None:
        assert stack.flower_url is not None, "the stack runs without Flower"
        self.url = stack.flower_url
        self.password = (stack.data_dir / PASSWORD_FILE).read_text().strip()

    def get(self, path: str, **query: object) -> Any:
        """GET a JSON document."""
        return self.fetch(path, **query).json()

    def fetch(self, path: str, **query: Any) -> requests.Response:
        """GET anything."""
        answer = requests.get(self.url + path, params=query, auth=(USER, self.password), timeout=30)
        answer.raise_for_status()
        return answer

    def online(self) -> set[str]:
        """The names, without the host, of the workers that are online."""
        shown = self.get("/api/workers", status=1)
        return {name.partition("@")[0] for name, alive in shown.items() if alive}

    def worker(self, name: str) -> dict[str, Any]:
        """All about one worker, asked of it now; {} if it does not answer."""
        (full,) = (n for n in self.get("/api/workers", status=1) if n.startswith(f"{name}@"))
        found: dict[str, Any] = self.get("/api/workers", refresh=1, workername=full).get(full, {})
        return found

    def tasks(self, **query: object) -> list[dict[str, Any]]:
        """The tasks it knows of."""
        return list(self.get("/api/tasks", **query).values())

    def knows(self, task_id: str) -> bool:
        """Whether it has heard of this task."""
        path = f"{self.url}/api/task/info/{task_id}"
        return requests.get(path, auth=(USER, self.password), timeout=30).status_code == 200

    def lengths(self) -> dict[str, int]:
        """What its broker page shows: messages by queue."""
        queues = self.get("/api/queues/length")["active_queues"]
        return {queue["name"]: queue["messages"] for queue in queues}

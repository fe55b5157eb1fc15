"""Children that spend what a test says."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scheduler.import_process import imports
from scheduler.import_process.parent import Nursery

Hogs = Callable[..., Nursery]


@pytest.fixture
def hogs(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hogs]:
    """Have the children spend what is said, those of a `hog_api` started after it too."""
    started: list[Nursery] = []

    def hog(**told: Any) -> Nursery:
        monkeypatch.setenv("HOG", json.dumps(told))
        started.append(Nursery("tests.support.hog_server"))
        monkeypatch.setattr(imports, "_nursery", started[-1])
        return started[-1]

    yield hog
    for server in started:
        server.close()


@pytest.fixture
def flags(tmp_path: Path) -> list[str]:
    """A file for each child that shall spend something."""
    paths = [tmp_path / name for name in ("first", "second", "third")]
    for path in paths:
        path.touch()
    return list(map(str, paths))

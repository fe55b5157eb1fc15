"""What a module logs, event by event."""

from types import ModuleType
from typing import Any

import pytest


class Told(list[tuple[str, dict[str, Any]]]):
    """Events and what was logged with them, oldest first."""

    def __init__(self, patch: pytest.MonkeyPatch, module: ModuleType) -> None:
        """From now on: of objects that `module` makes after this."""
        super().__init__()
        patch.setattr(module, "log", self)

    def info(self, event: str, **told: Any) -> None:
        """Take an event; so do the others."""
        self.append((event, told))

    warning = error = exception = info

    @property
    def events(self) -> list[str]:
        """The events alone."""
        return [event for event, _ in self]

    def failures(self, event: str) -> int:
        """How many tries failed, as the only such event that ends an absence says."""
        (told,) = [told for found, told in self if found == event]
        return int(told["failures"])

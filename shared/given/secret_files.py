"""Secrets that are given as files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from shared.given.faults import Fault, UnusableSettings
from shared.given.names import PREFIX


class SecretFiles(PydanticBaseSettingsSource):
    """Reads VOLLEY_<NAME>_FILE: containers usually pass secrets as files."""

    def __init__(self, settings_cls: type[BaseSettings], given: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._given = {name.upper(): value for name, value in given.items()}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = f"{PREFIX}{field_name.upper()}_FILE"
        path = self._given.get(name)
        return (_content(name, Path(path)) if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(f, name)[0] for name, f in self._fields()}
        return {name: value for name, value in found.items() if value is not None}

    def _fields(self) -> list[tuple[str, FieldInfo]]:
        return list(self.settings_cls.model_fields.items())


def _content(name: str, path: Path) -> str:
    """The file's content. Raises UnusableSettings without the path: a person who confuses the two
    settings puts the secret there.
    """
    try:
        found = path.read_text().strip()
    except OSError as error:
        says = f"the file it names cannot be read: {error.strerror}"
        raise UnusableSettings([Fault(name, says)]) from None
    except ValueError:
        raise UnusableSettings([Fault(name, "the file it names is not text in UTF-8")]) from None
    if not found:
        raise UnusableSettings([Fault(name, "the file it names is empty")])
    return found

"""No adapter stays away."""

from pathlib import Path
from pkgutil import iter_modules

from shared import providers
from tests.conformance import guests


def test_every_adapter_has_a_guest_file() -> None:
    folders = {path.parent.name for path in Path(providers.__file__).parent.glob("*/adapter.py")}

    assert folders == {module.name for module in iter_modules(guests.__path__)}
    assert "twilio" in folders

"""The lock files: complete, pinned, hashed, and without an address of any registry."""

import re
import tomllib

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support import sources

PROJECT = tomllib.loads((sources.ROOT / "pyproject.toml").read_text())
RUN = PROJECT["project"]["dependencies"] + PROJECT["dependency-groups"]["build"]
DEVELOPMENT = PROJECT["dependency-groups"]["dev"]
LOCKS = ["requirements-run.lock", "requirements.lock"]
WANTED = [(lock, wanted) for lock in LOCKS for wanted in RUN] + [
    ("requirements.lock", wanted) for wanted in DEVELOPMENT
]


def text(lock: str) -> str:
    return (sources.ROOT / lock).read_text()


def entries(lock: str) -> list[str]:
    """Each pinned distribution with its hashes, on one line."""
    return re.sub(r"\\\n\s*", " ", text(lock)).strip().splitlines()


def pinned(lock: str) -> dict[str, list[Version]]:
    """The versions a lock names; some differ by platform or Python."""
    found: dict[str, list[Version]] = {}
    for entry in entries(lock):
        name, version = re.match(r"([\w.-]+)(?:\[.*?\])?==(\S+)", entry).groups()  # type: ignore[union-attr]
        found.setdefault(canonicalize_name(name), []).append(Version(version))
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_address(lock: str) -> None:
    assert "://" not in text(lock)
    assert not re.search(r"^\s*-(?!-hash)", text(lock), re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_locked_is_pinned_and_hashed(lock: str) -> None:
    loose = [
        entry.split()[0]
        for entry in entries(lock)
        if "==" not in entry.split()[0] or "--hash=sha256:" not in entry
    ]

    assert loose == []


@pytest.mark.parametrize(("lock", "wanted"), WANTED)
def test_what_the_project_needs_is_locked_in_a_version_that_will_do(lock: str, wanted: str) -> None:
    requirement = Requirement(wanted)

    versions = pinned(lock).get(canonicalize_name(requirement.name), [])

    assert versions != []
    assert all(version in requirement.specifier for version in versions)


def test_both_locks_agree() -> None:
    everything = pinned("requirements.lock")

    assert {
        n: v for n, v in pinned("requirements-run.lock").items() if everything.get(n) != v
    } == {}


@pytest.mark.parametrize("lock", LOCKS)
def test_markers_can_be_read(lock: str) -> None:
    for entry in entries(lock):
        if found := re.search(r";\s*(.*?)\s*--hash", entry):
            Marker(found[1])

"""What is under version control is about Volley and works anywhere."""

import re

from tests.support import sources

MACHINES = re.compile(
    rb"/(?:home|Users)/[a-z][\w-]*/"  # somebody's home
    rb"|/(?:root)/\.?\w"
    rb"|/(?:work)/(?:main|shared)\b"
    rb"|[A-Z]:\\(?:Users)\\"
)
REGISTRIES = re.compile(
    rb"(?:pypi|test\.pypi|registry)\.(?:org|npmjs)|pythonhosted\.(?:org)|index-(?:url)"
)


def found(pattern: re.Pattern[bytes]) -> list[str]:
    return [
        f"{sources.name(path)}: {hit[0].decode()}"
        for path in sources.repository_files()
        if (hit := pattern.search(path.read_bytes()))
    ]


def test_no_file_knows_a_path_of_the_machine_it_was_written_on() -> None:
    assert found(MACHINES) == []
    assert found(re.compile(re.escape(str(sources.ROOT).encode()) + rb"/")) == []


def test_no_file_names_a_package_registry() -> None:
    assert found(REGISTRIES) == []


def test_no_secret_and_no_data_is_under_version_control() -> None:
    names = {path.name for path in sources.repository_files()}

    assert names & {".env", "api_key", "secret_key", ".volley", "dump.rdb"} == set()


def test_what_is_run_is_in_four_packages() -> None:
    elsewhere = [
        sources.name(path)
        for path in sources.repository_files()
        if path.suffix == ".py"
        and path.relative_to(sources.ROOT).parts[0] not in (*sources.PACKAGES, "tests")
    ]

    assert elsewhere == []

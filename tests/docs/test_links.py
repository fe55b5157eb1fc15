"""Every link and every path that a document names leads somewhere."""

import re
from pathlib import Path

import pytest

from tests.support import sources
from tests.support.documents import PAGES, README, blocks, name, section, spans

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SUFFIXES = ("py", "lua", "md", "toml", "lock", "example", "csv", "txt")


def anchors(text: str) -> set[str]:
    """The addresses of a page's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_link_leads_to_a_file_and_to_a_heading_of_it(path: Path) -> None:
    broken = []
    for target in LINK.findall(path.read_text()):
        file, _, anchor = target.partition("#")
        if "://" in file:
            continue
        there = (path.parent / file).resolve() if file else path
        if not there.exists() or (anchor and anchor not in anchors(there.read_text())):
            broken.append(target)

    assert broken == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_path_that_is_named_exists(path: Path) -> None:
    inside = re.compile(rf"^(?:{'|'.join([*sources.PACKAGES, 'tests'])})/[\w/.-]*$")
    named = {
        span
        for span in spans(path.read_text())
        if inside.match(span) or re.fullmatch(rf"[\w-]+\.(?:{'|'.join(SUFFIXES)})", span)
    }

    missing = [span for span in named if not (sources.ROOT / span).exists() and not beside(span)]
    assert missing == []


def beside(span: str) -> bool:
    """A file named without its folder: where a path that is named on the page leads."""
    return "/" not in span and any(path.name == span for path in sources.modules())


def test_the_map_shows_what_is_there() -> None:
    (tree,) = [
        b.text for b in blocks(section(README.read_text(), "The map")) if b.language == "text"
    ]
    folder, shown = "", []
    for line in tree.splitlines():
        entry = line.split()[0]
        folder = entry if not line.startswith(" ") else folder
        shown.append(entry if entry == folder else folder + entry)

    assert len(shown) > 25
    assert [entry for entry in shown if not (sources.ROOT / entry).exists()] == []

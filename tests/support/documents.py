"""The documents people read, for tests that hold them against the code."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.support import sources

README = sources.ROOT / "README.md"
DOCS = sources.ROOT / "deploy/docs"
PAGES = (
    README,
    *(sources.ROOT / f"{n}.md" for n in ("CONTRIBUTING", "SECURITY", "CHANGELOG")),
    *sorted(DOCS.rglob("*.md")),
)

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^ *```[ ]*$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_HEREDOC = re.compile(r"<<'?(\w+)'?[^\n]*\n.*?^\1$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its language and its text, without the fence's own indentation."""

    language: str
    text: str


def page(name: str) -> str:
    """The text of a page, by its path in the repository."""
    return (sources.ROOT / name).read_text()


def blocks(text: str, language: str | None = None) -> list[Block]:
    """The fenced blocks of a page, or those of one language."""
    found = []
    for indent, word, body in _FENCE.findall(text):
        lines = [line.removeprefix(indent) for line in body.splitlines()]
        found.append(Block(word, "\n".join(lines) + "\n"))
    return [block for block in found if language in (None, block.language)]


def prose(text: str) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", text)


def plain(text: str) -> str:
    """A page's words on one line, without emphasis, links or code marks: where a claim is found."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", prose(text))
    return " ".join(re.sub(r"[*`]", "", text).split())


def spans(text: str) -> list[str]:
    """What stands between backquotes in the prose, each on one line."""
    return [" ".join(span.split()) for span in _SPAN.findall(prose(text))]


def section(text: str, title: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    start = re.search(rf"^(#+) {re.escape(title)}$", text, re.MULTILINE)
    assert start is not None, f"there is no heading {title!r}"
    rest = text[start.end() :]
    end = re.search(rf"^#{{1,{len(start[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def table(text: str) -> list[list[str]]:
    """The cells of the first table of a text, without its header."""
    rows = re.search(r"^\|.*\|\n\|[-| ]+\|\n((?:\|.*\|\n?)+)", text, re.MULTILINE)
    assert rows is not None, "there is no table"
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        for line in rows[1].splitlines()
    ]


def shell(text: str) -> Iterator[str]:
    """The commands of a page's shell blocks, each whole, however many lines it was written on."""
    for block in blocks(text, "sh"):
        yield from _commands(_HEREDOC.sub("", block.text))


def _commands(text: str) -> Iterator[str]:
    waiting = ""
    for line in text.splitlines():
        waiting = f"{waiting}\n{line}" if waiting else line
        if waiting.endswith("\\"):
            waiting = waiting[:-1] + " "
        elif waiting.count('"') % 2 == 0 and _uncommented(waiting).count("'") % 2 == 0:
            if waiting.strip():
                yield waiting.strip()
            waiting = ""
    assert not waiting.strip(), f"a quotation is not closed: {waiting[:80]}"


def _uncommented(text: str) -> str:
    return re.sub(r"(^|\s)#[^\n]*", "", text)

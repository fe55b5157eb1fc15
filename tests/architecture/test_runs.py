"""`make test` is two runs: together they hold every test, and none twice."""

import itertools
import re
import tomllib

from _pytest.mark.expression import Expression

from tests.support import sources

MAKEFILE = (sources.ROOT / "Makefile").read_text()
OPTIONS = tomllib.loads((sources.ROOT / "pyproject.toml").read_text())["tool"]["pytest"]
MARKS = [line.split(":")[0] for line in OPTIONS["ini_options"]["markers"]]


def chosen(target: str) -> list[Expression]:
    """What each run of that target chooses by."""
    (recipe,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    return [Expression.compile(words) for words in re.findall(r"-m '([^']+)'", recipe)]


def takes(run: Expression, marks: tuple[str, ...]) -> bool:
    """Whether a test with these marks is in that run."""
    return run.evaluate(lambda name, **_: name in marks)  # type: ignore[arg-type]


def any_marks() -> list[tuple[str, ...]]:
    """Every set of marks that a test may have."""
    return [
        some for count in range(len(MARKS) + 1) for some in itertools.combinations(MARKS, count)
    ]


def test_every_test_but_a_benchmark_is_in_one_of_the_two_runs_and_in_no_more() -> None:
    runs = chosen("test")

    assert len(runs) == 2
    for marks in any_marks():
        assert sum(takes(run, marks) for run in runs) == ("bench" not in marks), marks


def test_who_must_be_alone_is_not_in_the_run_of_many_at_once() -> None:
    beside = [words for words in MAKEFILE.splitlines() if "$(BESIDE)" in words]

    assert len(beside) == 2
    for words in beside:
        (run,) = re.findall(r"-m '([^']+)'", words)
        assert not any(
            takes(Expression.compile(run), marks) for marks in any_marks() if "alone" in marks
        )


def test_the_fast_run_has_no_test_that_starts_or_needs_a_server() -> None:
    (fast,) = chosen("test-fast")

    assert [marks for marks in any_marks() if takes(fast, marks)] == [()]

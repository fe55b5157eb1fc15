"""A live picture of running campaigns: one bar a campaign, its states, its pace, its end."""

import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from shared.legible import in_one_line
from shared.views.campaigns import Progress as Shown

#: Seconds between two looks.
EVERY = 0.5
#: Seconds between two reasons.
READING = 10.0
_UNSENT = ("draft", "planned", "ready", "sending")
_COLOURS = {
    "delivered": "green",
    "sent": "cyan",
    "accepted": "blue",
    "sending": "magenta",
    "undelivered": "yellow",
    "failed": "red",
    "unknown": "bold red",
}


def follow(
    read: Callable[[], Sequence[Shown]], *, done: Callable[[], bool], seconds: float | None = None
) -> bool:
    """Show campaigns, as the API shows them, until `done`; False when `seconds` ran out before.

    Without a terminal a line is printed every few seconds instead of a moving bar.
    """
    console = Console(highlight=False)
    deadline = time.monotonic() + seconds if seconds is not None else float("inf")
    with _progress(console) as progress:
        tasks = {c.id: progress.add_task(escape(_name(c)), total=None, states={}) for c in read()}
        printed = 0.0
        reasons = _Reasons(console)
        while True:
            shown = read()
            reasons.tell(shown)
            for campaign in shown:
                _update(progress, tasks[campaign.id], campaign)
            if not console.is_terminal and time.monotonic() - printed > 5:
                printed = time.monotonic()
                console.print(" | ".join(map(line, shown)), markup=False, soft_wrap=True)
            if all(not _open(campaign) for campaign in shown) and done():
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(EVERY)


def line(campaign: Shown) -> str:
    """One campaign in one line."""
    counts = ", ".join(f"{n} {status}" for status, n in sorted(campaign.counts.items()))
    return f"{_name(campaign)}: {campaign.status}: {counts}"


def _name(campaign: Shown) -> str:
    return in_one_line(campaign.name)


def _open(campaign: Shown) -> bool:
    return campaign.status not in {"finished", "cancelled"}


def _update(progress: Progress, task: TaskID, campaign: Shown) -> None:
    counts = campaign.counts
    total = sum(counts.values())
    gone = total - sum(counts.get(status, 0) for status in _UNSENT)
    progress.update(
        task,
        total=total or None,
        completed=gone,
        states=counts,
        description=f"{escape(_name(campaign))} [dim]{campaign.status}[/]",
    )


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.completed:.0f}/{task.total}"),
        _Pace(),
        TimeElapsedColumn(),
        _States(),
        console=console,
        disable=not console.is_terminal,
        refresh_per_second=4,
    )


class _Reasons:
    """Says why campaigns wait, each reason once and not more often than a person reads."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: dict[int, str] = {}
        self._last = float("-inf")

    def tell(self, shown: Sequence[Shown]) -> None:
        """Print what is new, above the bars."""
        if time.monotonic() - self._last < READING:
            return
        for campaign in shown:
            reason = campaign.reason or ""
            if reason and reason != self._said.get(campaign.id):
                words = in_one_line(f"{campaign.name}: {reason}")
                self._console.print(words, markup=False, soft_wrap=True)
                self._last = time.monotonic()
            self._said[campaign.id] = reason


class _Pace(ProgressColumn):
    """Recipients per second, lately."""

    def render(self, task: Task) -> Text:
        speed = None if task.finished else task.speed
        return Text(f"{speed:.1f}/s" if speed else "", style="bold")


class _States(ProgressColumn):
    """How many in each status."""

    def render(self, task: Task) -> Text:
        text = Text()
        for status, count in sorted(task.fields.get("states", {}).items()):
            if count:
                text.append(f"{count} {status}  ", style=_COLOURS.get(status, "dim"))
        return text

"""Columns that say whether a person has opted out: `opted_out`, `sms_opt_in`, `status`, `DNC` …

A name says which way its yes counts; what its cells say is read by tables of words. What neither
tells is unclear: a guess texts somebody who said no, or loses somebody who did not.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scheduler.people.opt_outs.column_names import words
from scheduler.people.opt_outs.verdict import Says, Verdict
from shared.errors import Refused


class Kind(StrEnum):
    """What a yes in a column means, and for WHEN a date; STATUS has words of its own."""

    OUT = "out"
    IN = "in"
    STATUS = "status"
    WHEN = "when"


@dataclass(frozen=True, slots=True)
class Column:
    """One column that speaks of opting out. `marks`: blank cells mean no, as in a list of ticks."""

    index: int
    name: str
    kind: Kind
    marks: bool


class Consent:
    """All columns of a file that speak of opting out, read together."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self.names = [column.name for column in columns]

    def verdict(self, cells: Sequence[str]) -> Verdict:
        """What a row says: a no or an opt-out in one column and nothing against it decides."""
        told = [(column, _says(column, cells[column.index])) for column in self._columns]
        answers = {says for _, says in told}
        if Says.OUT in answers and Says.STAYS not in answers:
            return Verdict(Says.OUT)
        if answers == {Says.STAYS}:
            names = ", ".join(f"“{column.name}”" for column, _ in told)
            return Verdict(Says.STAYS, "not_opted_out", f"{names}: may still be texted.")
        seen = ", ".join(f"“{c.name}” is “{cells[c.index].strip()[:40]}”" for c, _ in told)
        return Verdict(
            Says.UNCLEAR,
            "unclear_opt_out",
            f"Nobody can tell whether it is an opt-out: {seen}.",
            "Write yes or no there, or delete the column and leave only rows to suppress.",
        )


def find(header: Sequence[str], values: Mapping[int, frozenset[str]]) -> Consent | None:
    """The columns of a file that speak of opting out; None when there is none.

    `values` holds for each column that `may_speak` what its cells say. Raises Refused
    unclear_opt_out_column for a file whose only such column is about e-mail or about when somebody
    agreed.
    """
    found, beside = [], []
    for index, name in enumerate(header):
        kind = kind_of(name)
        if kind is None:
            if _speaks(words(name)):
                beside.append(name)
            continue
        said = {_word(value) for value in values.get(index, frozenset()) if value.strip()}
        if _weak(name) and not said & (_OUT_WORDS | _IN_WORDS):
            continue
        marks = bool(said) and all(word in _TICKS or _dated(word) for word in said)
        found.append(Column(index, name, kind, marks))
    if found:
        return Consent(found)
    if beside:
        raise Refused(
            "unclear_opt_out_column",
            f"Column “{beside[0]}” speaks of consent, but does not say who may no longer be "
            "texted. Leave only the rows to suppress in the file, and delete that column.",
            details={"columns": beside},
        )
    return None


def kind_of(name: str) -> Kind | None:
    """What a yes in a column of this name means; None when the name does not tell."""
    said = words(name)
    last = said.rsplit(" ", 1)[-1]
    if _weak(name):
        return Kind.STATUS
    if not _speaks(said) or _OTHER_CHANNELS.search(said) or last in _DETAILS:
        return None
    out, agreed = bool(_OUT_NAME.search(said)), bool(_IN_NAME.search(said))
    if (out and agreed) or _NEGATED.search(said) or last in ("status", "state"):
        return Kind.STATUS
    if last in _TIMES:
        return Kind.WHEN if out else None
    return Kind.OUT if out else Kind.IN


def may_speak(header: Sequence[str]) -> list[int]:
    """The columns whose cells must be known before it is clear what they say."""
    return [index for index, name in enumerate(header) if kind_of(name) is not None]


def _speaks(said: str) -> bool:
    return bool(_OUT_NAME.search(said) or _IN_NAME.search(said))


def _weak(name: str) -> bool:
    """A name that speaks of opting out only if its cells do, as `status` may say anything."""
    said = words(name)
    return bool(_WEAK_NAME.fullmatch(said)) and not _speaks(said)


def _says(column: Column, cell: str) -> Says:
    word = _word(cell)
    if not word:
        blank_is_no = column.kind is Kind.WHEN or (column.kind is Kind.OUT and column.marks)
        return Says.STAYS if blank_is_no else Says.UNCLEAR
    if word in _OUT_WORDS:
        return Says.OUT
    if word in _IN_WORDS or (word == _ACTIVE and column.kind is Kind.STATUS):
        return Says.STAYS
    if column.kind is Kind.STATUS:
        return Says.UNCLEAR
    yes = word in _YES or _dated(word)
    if column.kind is Kind.WHEN:
        yes = _dated(word)
    if not yes and word not in _NO:
        return Says.UNCLEAR
    return Says.OUT if yes == (column.kind is not Kind.IN) else Says.STAYS


def _word(cell: str) -> str:
    said = cell.strip()
    return said if said in _TICKS or said in _CROSSES else _without_accents(said)


def _without_accents(said: str) -> str:
    plain = words(said)
    return plain if plain or not said else said


def _dated(word: str) -> bool:
    return bool(_DATE.match(word))


def _set(*lists: Iterable[str] | str) -> frozenset[str]:
    return frozenset(
        word for given in lists for word in (given.split("|") if isinstance(given, str) else given)
    )


_BEFORE: Final = r"(?:\b|(?<=\bsms)|(?<=\btext)|(?<=\bmms)|(?<=\bis)|(?<=\bhas))"
_OUT_NAME: Final = re.compile(
    _BEFORE
    + r"""(?:opt(?:ed|s)?\ ?outs?|unsub\w*|dnd|dnc(?:\ ?flag)?|stopped|revoked|withdrawn
    |do\ ?nots?\ ?(?:contact|text|sms|message|call|disturb|market|solicit)\w*
    |dont\ ?(?:contact|text|sms|message|call)\w*|no\ (?:contact|sms|texts?|marketing)
    |black\ ?list\w*|block\ ?list\w*|blocked|suppress\w*
    |abgemeldet|abmeldung|widerruf\w*|desabonn\w*|desinscri\w*|desuscri\w*|baja)\b""",
    re.VERBOSE,
)
_IN_NAME: Final = re.compile(
    _BEFORE
    + r"""(?:opt(?:ed|s)?\ ?ins?|consent\w*|subscribed|einwilligung\w*|einverstanden
    |permissions?|agree[ds]?\ to\ (?:sms|texts?|contact)
    |(?:ok|okay|can|may|allow(?:ed|s)?|accepts?)\ ?(?:to\ )?(?:be\ )?
     (?:sms|text(?:s|ed)?|contact(?:ed)?|message[sd]?|marketing)(?:\ marketing)?
    |(?:sms|texts?|texting)\ ?(?:allowed|permitted|ok|accepted|enabled|marketing))\b""",
    re.VERBOSE,
)
_WEAK_NAME: Final = re.compile(
    r"(?:\w+ )?(?:status|state)|subscriptions?|(?:sms |text )?subscription(?: status| state)?"
)
_NEGATED: Final = re.compile(
    r"(?<!\bdo )\b(?:not|no|non|never|without)\b (?!contact|sms|texts?\b|marketing)"
)
_OTHER_CHANNELS: Final = re.compile(r"\be ?mails?\b|\bnewsletters?\b|\bfax\b|\bpost(?:al)?\b")
_TIMES: Final = _set("date|at|on|time|timestamp|when|since|datum|fecha")
_DETAILS: Final = _set(
    "reason|source|method|ip|url|keyword|keywords|channel|campaign|by|comment|note|notes",
    "message|language|id|count|form|version|type|level|category|grund",
)
_TICKS: Final = _set("x|✓|✔|✔️|☑|✅")
_CROSSES: Final = _set("☐|✗|✘|❌")
_YES: Final = _TICKS | _set("yes|y|true|t|1|1 0|on|ja|j|si|s|oui|o|wahr|vrai|checked")
_NO: Final = _CROSSES | _set("no|n|false|f|0|0 0|off|nein|non|falsch|faux|falso|unchecked|never")
_OUT_WORDS: Final = _set(
    "opted out|opt out|optout|optedout|out|unsubscribed|unsubscribe|unsub|stop|stopped|stopall",
    "dnc|do not contact|do not text|do not call|blocked|blacklisted|suppressed|revoked|withdrawn",
    "declined|denied|refused|abgemeldet|desabonne",
)
_IN_WORDS: Final = _set(
    "opted in|opt in|optin|optedin|in|subscribed|consented|granted|given|allowed|accepted",
    "not opted out|double opt in|single opt in|confirmed opt in|angemeldet|abonne",
)
#: Counts as still in, but is no sign that a column speaks of opting out: so is many a status.
_ACTIVE: Final = "active"
# A day or an instant in figures: 2026-05-01, 5/1/26 9:00, 20260501T0900, May 1 2026.
_DATE: Final = re.compile(
    r"\d{4} \d{1,2} \d{1,2}\b|\d{1,2} \d{1,2} (?:\d{4}|\d{2})\b|\d{8}(?:t?\d+)?\b|1\d{9}(?:\d{3})?$"
    r"|(?:\d{1,2} )?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]* (?:\d{1,2} )?\d{2,4}"
)

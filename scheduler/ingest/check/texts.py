"""The texts of many rows: their words, what they cost, where they are cut into parts."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from scheduler.ingest.check.row_errors import NO_VALUES, Unfit, nothing_in
from scheduler.ingest.rejects import RejectCode
from shared.domain.segments_column import basic, costs
from shared.domain.template import Template
from shared.domain.wording import MOST_PARTS, TooManyParts, word


@dataclass(slots=True)
class Texts:
    """Texts and costs by index; `cuts` and `faults` only of those that have any."""

    bodies: list[str] | None
    encodings: list[str]
    segments: list[int]
    cuts: dict[int, tuple[int, ...]] = field(default_factory=dict)
    faults: dict[int, Unfit] = field(default_factory=dict)


class Writer:
    """Writes a template's texts for the rows of one file. Raises Refused, as Template."""

    def __init__(
        self, template: Template, header: Sequence[str], *, limit: int, smart_encoded: bool
    ) -> None:
        self._fill = template.filling_columns(header)
        self._needed = template.columns_of(header)
        self._basic = basic(template.literal)
        self._header = header
        self._limit = limit
        self._smart = smart_encoded

    def write(self, columns: Sequence[Sequence[str]], count: int) -> Texts:
        """The texts of `count` rows, whose cells are in E.164 and trimmed."""
        bodies = self._fill(columns, count)
        plain = self._basic and all(basic("".join(columns[index])) for index in self._needed)
        texts = Texts(bodies, *costs(bodies, plain=plain, smart_encoding=self._smart))
        if 2 * max(map(len, bodies), default=0) > self._limit:
            self._cut(texts, columns)
        for index in reversed(self._needed):  # the first column's fault is the one that is told
            self._refuse_nothing(texts, columns[index], column=index)
        return texts

    def _refuse_nothing(self, texts: Texts, values: Sequence[str], *, column: int) -> None:
        if NO_VALUES.isdisjoint(values):
            return
        for index, value in enumerate(values):
            if value in NO_VALUES:
                texts.faults[index] = nothing_in(column, self._header[column], value)

    def _cut(self, texts: Texts, columns: Sequence[Sequence[str]]) -> None:
        for index, body in enumerate(texts.bodies or ()):
            if 2 * len(body) <= self._limit:
                continue
            try:
                wording = word(body, split_at=self._limit, smart_encoded=self._smart)
            except TooManyParts as too_many:
                cells = [column[index] for column in columns]
                texts.faults[index] = self._too_long(too_many.parts, cells)
                continue
            texts.encodings[index] = wording.encoding
            texts.segments[index] = wording.segments
            if wording.cuts:
                texts.cuts[index] = tuple(wording.cuts)

    def _too_long(self, parts: int, cells: Sequence[str]) -> Unfit:
        longest = max(self._needed, key=lambda index: len(cells[index]), default=None)
        what = f"“{self._header[longest]}”" if longest is not None else "the message"
        return Unfit(
            longest,
            RejectCode.TOO_LONG,
            f"The text would go out in {parts} parts; {MOST_PARTS} are the most.",
            f"Shorten {what}.",
        )


def no_texts(count: int) -> Texts:
    """For rows whose words come later."""
    return Texts(None, [""] * count, [0] * count)

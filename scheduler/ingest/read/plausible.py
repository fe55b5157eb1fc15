"""How plausible a word is: its script, its capitals, and how usual its letters are together.

A wrong encoding shows in a word as a capital behind a small letter (`JosŽ`), two scripts in one
word, a sign within it (`Jos√©`), accents side by side (`Èâàí`), letters no language has together.
"""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from scheduler.ingest.read.alphabets import EAST_ASIAN, LANGUAGES, TYPOGRAPHIC

#: The cost from which on a character is implausible where it is.
IMPLAUSIBLE: Final = 6.0
_ODD: Final = 8.0
_OTHER_LANGUAGE: Final = 1.5


class Word(NamedTuple):
    """What a word costs whatever its language, and in each language of its script."""

    base: float
    by_language: tuple[float, ...]
    script: str
    odd: int
    letters: int

    @property
    def cost(self) -> float:
        """In the language it fits best."""
        return self.base + min(self.by_language, default=0.0)


def cost_of(words: list[Word]) -> float:
    """What the words cost together: most are in one language."""
    total = 0.0
    for script in {word.script for word in words}:
        own = [word for word in words if word.script == script]
        costs = (
            _in_language(own, index, language.rarity)
            for index, language in enumerate(LANGUAGES.get(script, ()))
        )
        total += min(costs, default=sum(word.base for word in own))
    return total


def _in_language(words: list[Word], index: int, rarity: float) -> float:
    return rarity + sum(
        word.base + min(word.by_language[index], min(word.by_language) + _OTHER_LANGUAGE)
        for word in words
    )


def judged(text: str, codec: str) -> Word:
    """A word with a character beyond ASCII, decoded from `codec`; U+FFFD where it could not be."""
    scripts = {script_of(char) for char in text} - {""}
    mixed = len(scripts) > 1 and not scripts <= EAST_ASIAN and scripts != {"ascii", "latin"}
    script = "" if mixed else min(scripts - {"ascii"}, default="")
    costs = list(_costs(text, codec, mixed=mixed))
    languages = LANGUAGES.get(script, ())
    letters = [char for char in text if not char.isascii() and script_of(char)]
    by_language = tuple(
        sum(_frequency(char, language.letters) for char in letters) for language in languages
    )
    odd = sum(cost >= IMPLAUSIBLE for cost in costs)
    if by_language and min(by_language) >= IMPLAUSIBLE * len(letters):
        odd = max(odd, len(letters))
    counted = len(costs) if len(text) > 1 else 0
    return Word(sum(costs) + _shape(text, script), by_language, script, min(odd, counted), counted)


def _costs(text: str, codec: str, *, mixed: bool) -> Iterator[float]:
    """What each character beyond ASCII costs."""
    padded = f" {text} "
    capitals = sum(char.isupper() for char in text)
    smalls = sum(char.islower() for char in text)
    for at, char in enumerate(text):
        if char.isascii():
            continue
        before, after = padded[at], padded[at + 2]
        script = script_of(char)
        if not script:
            yield _sign(char, before, after)
        elif mixed:
            yield _ODD
        elif script in ("latin", "cyrillic", "greek"):
            begins = before == " " or text[:at] in _PREFIXES
            yield _letter(char, before, capitals=0 if begins else capitals, smalls=smalls)
        else:
            yield _uncased(char, before, after, script=script, codec=codec)


def _letter(char: str, before: str, *, capitals: int, smalls: int) -> float:
    """A letter of a script with capitals, of which its word has so many; none if it begins one."""
    cost = 0.0
    if char.isupper() and smalls and before.isalpha() and capitals:
        cost = _ODD
    elif char.islower() and smalls == 1 and capitals > 1:
        cost = 5.0
    elif char.isupper() and smalls:
        cost = 1.0
    if script_of(char) == "latin" and not before.isascii() and script_of(before) == "latin":
        cost += 3.0
    return cost


_PREFIXES: Final = frozenset(["Mc", "Mac", "De", "Di", "Du", "La", "Le", "Van"])
_FINAL: Final = frozenset("ךםןףץ")
_THAI_LEADING: Final = frozenset("เแโใไ")


def _uncased(char: str, before: str, after: str, *, script: str, codec: str) -> float:
    """A letter, syllable or sign of a script without capitals."""
    if script == "hebrew":
        return _ODD if char in _FINAL and script_of(after) == "hebrew" else 0.0
    if script == "thai":
        joined = unicodedata.category(char) == "Mn"
        misplaced = (joined and script_of(before) != "thai") or char.isdigit()
        return _ODD if misplaced or (before in _THAI_LEADING and not char.isalpha()) else 1.3
    if script in ("han", "hangul", "kana", "halfkana"):
        return _east_asian(char, script, codec)
    return 0.0


#: The lead bytes of the characters that are learnt first, by codec.
_COMMON: Final = {
    "cp932": (0x88, 0x98, 0x40),
    "gb18030": (0xB0, 0xD7, 0xA1),
    "big5hkscs": (0xA4, 0xC6, 0x40),
    "euc_jp": (0xB0, 0xCF, 0xA1),
}
_JAPANESE: Final = frozenset(["cp932", "euc_jp"])


def _east_asian(char: str, script: str, codec: str) -> float:
    if script == "hangul":
        raw = char.encode(codec, "replace")
        return 2.3 if codec == "cp949" and 0xB0 <= raw[0] <= 0xC8 and raw[-1] >= 0xA1 else _ODD
    if script in ("kana", "halfkana"):
        return 2.3 if codec in _JAPANESE else 5.0
    first, last, trail = _COMMON.get(codec, (1, 0, 0))
    raw = char.encode(codec, "replace")
    return 2.7 if len(raw) == 2 and first <= raw[0] <= last and raw[1] >= trail else 6.5


def _sign(char: str, before: str, after: str) -> float:
    """What is no letter."""
    inside = before.isalpha() and after.isalpha()
    beside = before.isalpha() or after.isalpha()
    if char in "’´`" and inside:
        return 1.0
    if (char in "–—" and inside and not after.islower()) or (char in "²³" and not after.isalpha()):
        return 3.0
    if char in "½¼¾" and not beside:
        return 2.0
    if char not in TYPOGRAPHIC:
        return _ODD if beside or unicodedata.category(char)[0] == "C" or char == "\ufffd" else 5.5
    if char == "\xa0" or (char == "°" and before.isdigit()):
        return 2.0
    if inside or (char in "€£¿¡“‘„‚«°" and before.isalpha()) or (char in "€£°®©™" and beside):
        return _ODD if char not in "·®™" else 3.0
    return 2.0


def _shape(text: str, script: str) -> float:
    """What is odd about the word as a whole."""
    letters = [char for char in text if char.isalpha()]
    if script in ("cyrillic", "greek") and letters[0].islower():
        return 2.0
    if script == "latin" and len(letters) == 1:
        return 2.0
    if script == "latin" and len(letters) > 2 and not any(map(str.isascii, letters)):
        return _ODD
    return 0.0


def _frequency(char: str, letters: str) -> float:
    at = letters.find(char.lower())
    step = 0.25 if len(letters) < 20 else 0.05
    start = 1.0 if len(letters) < 20 else 0.5
    return start + step * at if at >= 0 else IMPLAUSIBLE


@lru_cache(maxsize=4096)
def script_of(char: str) -> str:
    """The script of a letter or of a sign that belongs to one; "" for anything else."""
    if char.isascii():
        return "ascii" if char.isalpha() else ""
    if char == "ｰ" or "ｦ" <= char <= "ﾟ":
        return "halfkana"
    kind = unicodedata.category(char)
    if kind[0] not in "LM" and not "\u0e00" <= char <= "\u0e7f":
        return ""
    name = unicodedata.name(char, "")
    return next((script for word, script in _SCRIPTS if name.startswith(word)), "")


_SCRIPTS: Final = (
    ("LATIN", "latin"),
    ("CYRILLIC", "cyrillic"),
    ("GREEK", "greek"),
    ("HEBREW", "hebrew"),
    ("ARABIC", "arabic"),
    ("THAI", "thai"),
    ("HANGUL", "hangul"),
    ("CJK", "han"),
    ("HIRAGANA", "kana"),
    ("KATAKANA", "kana"),
)

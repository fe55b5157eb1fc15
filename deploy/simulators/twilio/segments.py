"""What a text costs in segments, by the carrier's own arithmetic, not the engine's."""

import unicodedata
from math import ceil

# GSM 03.38, the basic table and the extension whose characters cost two septets each.
BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = frozenset("\f^{}\\[~]|€")
GSM = BASIC | EXTENSION

# Twilio's Smart Encoding replaces look-alikes by GSM characters: these are the common ones.
SMART = str.maketrans(
    {"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"'}
    | {"‐": "-", "‑": "-", "–": "-", "—": "-", "…": "...", "•": "-", "\u00a0": " ", "\t": " "}
)


def count(body: str) -> int:
    """Billed segments: 160 or 153 septets each in GSM-7, 70 or 67 UTF-16 units each in UCS-2."""
    if GSM.issuperset(body):
        septets = len(body) + sum(map(body.count, EXTENSION))
        return 1 if septets <= 160 else ceil(septets / 153)
    units = units_of(body)
    return 1 if units <= 70 else ceil(units / 67)


def units_of(body: str) -> int:
    """Length in UTF-16 code units, which is what Twilio's limit of 1,600 counts."""
    return len(body) if body.isascii() else len(body.encode("utf-16-le", "surrogatepass")) // 2


def smart(body: str) -> str:
    """The body as Smart Encoding would send it."""
    return unicodedata.normalize("NFC", body).translate(SMART)

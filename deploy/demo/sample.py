"""The sample campaigns: recipients of many countries, texts of many lengths, and broken rows.

Every number is made from its country's plan and goes to the simulator only. What the carrier does
with it is told by its last four digits (`volley carrier`, GET /script); most are delivered.
"""

import codecs
import csv
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass

from phonenumbers import is_valid_number, parse

#: Country, calling code and mobile prefix, digits that follow.
COUNTRIES = (
    ("US", "+1555", 7),
    ("GB", "+447400", 6),
    ("DE", "+4915123", 6),
    ("FR", "+336123", 5),
    ("ES", "+346123", 5),
    ("IT", "+39340123", 4),
    ("NL", "+316123", 5),
    ("BR", "+5511987", 6),
    ("IN", "+9198123", 5),
    ("AU", "+6141234", 4),
    ("JP", "+819012", 6),
    ("PL", "+485123", 5),
)
#: What the simulated carrier can do with a number, and every recipient still has an end.
BEHAVIOURS = (
    *("9001", "9002", "9003", "9004", "9005", "9006", "9007", "9009", "9010", "9011", "9012"),
    *("9013", "9014", "9015", "9016", "9017", "9018", "9019", "9020", "9021", "9022", "9023"),
    *("9024", "9025", "9027", "9028", "9029", "9031", "9032", "9033", "9034", "9043", "9049"),
    *("9050", "9052", "9053", "9054"),
)
#: These never tell us that they arrived: they end accepted or sent.
NEVER_ANSWER = frozenset({"9015", "9053", "9054"})

NAMES = ("Ana", "Bob", "Chloé", "Dieter", "Ewa", "Françoise", "Giulia", "Haruto", "Ísis", "Jürgen")
DIRECT = "Hi {first_name}, your {service} is on {date}. {note} Reply STOP to opt out."
OPENER = (
    "Hello {First Name} 👋 it is Mia from Volley Dental. Shall we find a time for your {service}? "
    "Reply STOP to opt out."
)
SERVICES = ("check-up", "cleaning", "first visit", "follow-up")
_STORY = (
    "Please read this before you come, it answers what most people ask us on the phone. "
    "Bring your insurance card, a list of what you take, and if you like somebody who waits. "
)


@dataclass(frozen=True)
class Sample:
    """One campaign's file and what is known of it beforehand."""

    filename: str
    content: bytes
    #: E.164 of every row that must be accepted
    phones: list[str]
    #: how many rows must be rejected
    defects: int


def direct(rows: int, *, seed: int = 1) -> Sample:
    """A UTF-8 file with commas: good rows, long texts, emoji, and most of the defects."""
    chance = random.Random(seed)
    phones = _phones(rows, chance, first=0)
    records = [_record(phone, chance, i) for i, phone in enumerate(phones)]
    defects = list(_defects(phones))
    places = sorted(chance.sample(range(len(records) + 1), min(len(defects), len(records) + 1)))
    for place, defect in zip(reversed(places), defects, strict=False):
        records.insert(place, defect)
    header = ["First Name", "Mobile phone", "service", "date", "note"]
    text = _written(header, records, delimiter=",")
    return Sample("appointments.csv", text.encode(), phones, len(places))


def agent(rows: int, *, seed: int = 2) -> Sample:
    """A UTF-16 file with tabs, as a spreadsheet saves it, for the agents' opener template."""
    chance = random.Random(seed)
    phones = _phones(rows, chance, first=500_000)
    records = [_record(phone, chance, i)[:3] for i, phone in enumerate(phones)]
    defects = [["Zoe", "", "check-up"], ["", phones[0], "cleaning"], ["Yan", "12", "cleaning"]]
    records[len(records) // 2 : len(records) // 2] = defects
    text = _written(["First Name", "Tel.", "service"], records, delimiter="\t")
    content = codecs.BOM_UTF16_LE + text.encode("utf-16-le")
    return Sample("recall.txt", content, phones, len(defects))


def _phones(count: int, chance: random.Random, *, first: int) -> list[str]:
    """Valid numbers, each once; early among them one of each behaviour."""
    phones: dict[str, None] = {}
    for suffix in BEHAVIOURS[: count // 2]:
        phones[f"+1555{first // 1000 + 200:03d}{suffix}"] = None
    wanted = count - len(phones)
    numbers = _ordinary(chance)
    while wanted > 0:
        phone = next(numbers)
        if phone not in phones:
            phones[phone] = None
            wanted -= 1
    scripted = list(phones)[: len(BEHAVIOURS)]
    others = list(phones)[len(scripted) :]
    # Behind the first few and far from the end: later sends must bear witness to what did not go.
    for i, phone in enumerate(scripted):
        others.insert(20 + 5 * i if len(others) > 20 + 5 * i else 0, phone)
    return others


def _ordinary(chance: random.Random) -> Iterator[str]:
    """Numbers of all countries in turn that the carrier simply delivers."""
    while True:
        for country, prefix, digits in COUNTRIES:
            rest = f"{chance.randrange(10**digits):0{digits}d}"
            phone = prefix + rest
            scripted = phone[-4:].startswith("9")
            if not scripted and (country == "US" or is_valid_number(parse(phone))):
                yield phone


def _record(phone: str, chance: random.Random, i: int) -> list[str]:
    note = "See you soon."
    if i % 60 == 7:
        note = _STORY * chance.randint(10, 18)  # a text of several parts
    elif i % 10 == 3:
        note = "See you soon 😀🎉"
    elif i % 10 == 6:
        note = "Zażółć gęślą jaźń."
    date = f"{chance.randint(1, 28)} March, {chance.randint(9, 17)}:00"
    return [NAMES[i % len(NAMES)], _as_typed(phone, i), SERVICES[i % len(SERVICES)], date, note]


def _as_typed(phone: str, i: int) -> str:
    """Some of the ways in which people and spreadsheets write the same number."""
    if i % 13 == 5:
        return f"'{phone}"
    if i % 17 == 3:
        return f"00{phone[1:]}"
    if phone.startswith("+1") and i % 3 == 0:
        return f"({phone[2:5]}) {phone[5:8]}-{phone[8:]}"
    if phone.startswith("+1") and i % 7 == 1:
        return f"{phone[1:]}.0"
    if phone.startswith("+44") and i % 2:
        return f"{phone[:3]} {phone[3:7]} {phone[7:]}"
    return phone


#: Between the bars: what stands in a phone column and is none.
_BAD_PHONES = (
    "|  |n/a|12|555|+1|abc|call me|1.5551E+10|1.5E+10|4.47E+11|+999123456789|+15552OO0001|+1555200"
    "|+155520000011111|0000000000|#REF!|ana@example.org|+1 555 200 0001 ext. 12|911|112|+33|+44 20"
    "|15552000001 / 15552000002|+49 0|1-800-FLOWERS|unknown|=1+1|####|+1555*******|?"
)


def _defects(phones: list[str]) -> Iterator[list[str]]:
    """About sixty rows that must be rejected, for more than twenty reasons."""
    for phone in _BAD_PHONES.split("|"):
        yield ["Max", phone, "check-up", "3 March, 9:00", "-"]
    for i in range(8):  # duplicates, written differently
        phone = phones[100 + i] if len(phones) > 110 else phones[i]
        typed = [phone, f" {phone} ", f"'{phone}", f"00{phone[1:]}"][i % 4]
        yield ["Twin", typed, "check-up", "4 March", "-"]
    fresh = (f"+15557{i:06d}" for i in range(100))
    for _ in range(3):
        yield ["", next(fresh), "check-up", "5 March, 9:00", "-"]  # no first name
        yield ["Nia", next(fresh), "", "5 March, 9:00", "-"]  # no service
        yield ["Oli", next(fresh), "check-up", "   ", "-"]  # no date
        yield ["Pat", next(fresh), "check-up", "5 March", "-", "what is this?"]  # too many columns
        yield ["Quinn", next(fresh), "check-up"]  # too few
    for _ in range(2):
        yield ["R\x07oss", next(fresh), "check-up", "5 March, 9:00", "-"]  # a control character
        yield ["S\x00am", next(fresh), "check-up", "5 March, 9:00", "-"]
        yield ["Tom", next(fresh), "check-up", "5 March, 9:00", _STORY * 110]  # more than ten parts
        yield ["U\ufffdmit", next(fresh), "check-up", "5 March", "-"]  # lost in another encoding


def _written(header: list[str], records: list[list[str]], *, delimiter: str) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(header)
    writer.writerows(records)
    return out.getvalue()

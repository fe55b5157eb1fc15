"""Campaign files of any size: numbers that are valid, a tenth as people write them, some twice."""

import random
from collections.abc import Iterator
from pathlib import Path

AREAS = (201, 202, 206, 212, 213, 303, 305, 312, 404, 415, 503, 512, 602, 617, 702, 713, 720, 808)
NAMES = ("Ana", "Bob", "Chloe", "Dieter", "Ewa", "Farid", "Grace", "Hiro", "Ines", "Jonas")
CITIES = ("Boston", "Denver", "Miami", "Portland", "Salt Lake City", "San Francisco")
TEMPLATE = "Hi {name}, your appointment in {city} is on Monday at ten. Reply STOP to opt out."
#: One row in so many repeats an earlier number.
REPEAT = 100


def write(path: Path, rows: int) -> int:
    """A CSV of that many rows; returns how many of them are good."""
    with path.open("w") as file:
        file.write("name,phone,city,reference\n")
        file.writelines(lines(rows))
    return rows - sum(1 for i in range(rows) if _repeats(i))


def lines(rows: int) -> Iterator[str]:
    """The rows of such a file."""
    chance = random.Random(3)
    for i in range(rows):
        yield (
            f"{chance.choice(NAMES)},{_written(phone(i - 50 if _repeats(i) else i), i)},"
            f"{chance.choice(CITIES)},ref-{i:07d}\n"
        )


def phone(i: int) -> str:
    """The ith valid North American number, in E.164."""
    rest, line = divmod(i, 10_000)
    area, exchange = divmod(rest, 700)
    return f"+1{AREAS[area]}{_exchange(exchange)}{line:04d}"


def _exchange(n: int) -> int:
    """No exchange ends in 11: those are services."""
    exchange = 220 + n
    return exchange if exchange % 100 != 11 else 219


def _repeats(i: int) -> bool:
    return i % REPEAT == REPEAT - 1


def _written(number: str, i: int) -> str:
    if i % 10:
        return number
    return f"({number[2:5]}) {number[5:8]}-{number[8:]}"

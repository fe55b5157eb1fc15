"""Valid mobile numbers of every country, by the rules of phonenumbers; the same each time."""

import random
from collections.abc import Iterator
from typing import NamedTuple

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberFormat, PhoneNumberType

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
_KINDS = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)


class Mobile(NamedTuple):
    """One number: in E.164, its calling code, its digits behind that, its digits as dialled."""

    e164: str
    code: str
    national: str
    dialled: str


def mobiles(region: str, count: int) -> Iterator[Mobile]:
    """Up to `count` mobiles of a country; fewer where its rules are narrow."""
    example = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    rules = PhoneMetadata.metadata_for_region(region, None)
    if example is None or rules is None or rules.mobile is None or rules.general_desc is None:
        return
    dice = random.Random(region)
    first = phonenumbers.national_significant_number(example)
    lengths = list(rules.mobile.possible_length or rules.general_desc.possible_length)
    for _ in range(8 * count):
        length = dice.choice(lengths)
        kept = first[: dice.randrange(1, len(first) + 1)]
        digits = (kept + "".join(dice.choices("0123456789", k=length)))[:length]
        number = phonenumbers.parse(f"+{rules.country_code}{digits}")
        valid = phonenumbers.is_valid_number_for_region(number, region)
        if valid and phonenumbers.number_type(number) in _KINDS:
            yield _mobile(number)
            count -= 1
            if not count:
                return


def _mobile(number: phonenumbers.PhoneNumber) -> Mobile:
    return Mobile(
        phonenumbers.format_number(number, PhoneNumberFormat.E164),
        str(number.country_code),
        phonenumbers.national_significant_number(number),
        "".join(
            filter(str.isdigit, phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL))
        ),
    )

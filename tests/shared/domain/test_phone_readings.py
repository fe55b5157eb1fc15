"""Digits that may be two numbers, or none: a guess texts a stranger."""

import random

import phonenumbers
import pytest

from shared.domain.phone import PhoneError, normalise
from shared.domain.phone_column import plain_numbers
from tests.support.mobiles import REGIONS, Mobile, mobiles


def _read(raw: str, region: str | None) -> str | None:
    try:
        return normalise(raw, region)
    except PhoneError:
        return None


def _refused(raw: str, region: str | None) -> PhoneError:
    with pytest.raises(PhoneError) as refused:
        normalise(raw, region)
    assert refused.value.fix
    return refused.value


@pytest.mark.parametrize("region", REGIONS)
def test_a_mobile_with_a_digit_too_many_is_no_number_of_another_country(region: str) -> None:
    dice = random.Random(region)
    for mobile in mobiles(region, 6):
        for digits in {mobile.dialled, mobile.national}:
            for _ in range(3):
                at = dice.randrange(len(digits) + 1)
                typed = digits[:at] + dice.choice("0123456789") + digits[at:]
                _is_as_typed(typed, region, mobile)


def _is_as_typed(typed: str, region: str, mobile: Mobile) -> None:
    """Refused, the number itself, or exactly the digits typed where countries have longer ones."""
    read = _read(typed, region)
    plain = plain_numbers([typed, typed], region)[0]
    assert plain in ("", read)
    if read is None or read == mobile.e164:
        return
    assert phonenumbers.region_code_for_number(
        phonenumbers.parse(read)
    ) == phonenumbers.region_code_for_number(phonenumbers.parse(mobile.e164)), (typed, read)
    assert read in {f"+{mobile.code}{kept}" for kept in (typed, typed[1:], typed.lstrip("0"))}


@pytest.mark.parametrize("region", REGIONS)
def test_a_mobile_with_its_calling_code_and_no_plus_is_itself_or_refused(region: str) -> None:
    for mobile in mobiles(region, 10):
        code, national = mobile.code, mobile.national
        for typed in (
            f"{code}{national}",
            f"0{code}{national}",
            f"({code}) {national}",
            f"{code} (0){national}",
            f"+{code}{code}{national}",
        ):
            read = _read(typed, region)
            assert read in (None, mobile.e164), (typed, read)
            assert plain_numbers([typed, typed], region)[0] in ("", read)


@pytest.mark.parametrize("region", REGIONS)
def test_mobiles_are_read_as_they_are_dialled_and_without_the_zero(region: str) -> None:
    for mobile in mobiles(region, 4):
        assert normalise(mobile.e164, None) == mobile.e164
        assert normalise(mobile.national, region) == mobile.e164


@pytest.mark.parametrize(
    ("raw", "region"),
    [
        ("0121 255 51234", "GB"),
        ("07919 1750100", "IQ"),
        ("074001234567", "GB"),
        ("98765 432101", "IN"),
        ("06 20 123 45678", "HU"),
        ("7912 255 512345", "GB"),
    ],
)
def test_one_digit_too_many_is_what_is_said(raw: str, region: str) -> None:
    refused = _refused(raw, region)

    assert refused.code == "invalid_phone"
    assert "too many digits" in refused.reason


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("612345678", "IT", "+390612345678"),
        ("707123456", "CI", "+2250707123456"),
        ("0044 7400 123456", "GB", "+447400123456"),
        ("00 1 404 483 1234", "PL", "+14044831234"),
        ("00447400123456", "DE", "+447400123456"),
        ("0034 612345678", "ES", "+34612345678"),
        ("011 1 404 483 1234", "US", "+14044831234"),
    ],
)
def test_a_lost_zero_and_a_true_exit_code_stay_what_they_are(
    raw: str, region: str, e164: str
) -> None:
    assert normalise(raw, region) == e164


def test_a_zero_is_never_put_back_where_it_makes_an_exit_code() -> None:
    assert _refused("1112205552637", "US").code == "invalid_phone"


@pytest.mark.parametrize(
    ("raw", "region", "one", "other"),
    [
        ("491713369876", "DE", "+49491713369876", "+491713369876"),
        ("04915123456789", "DE", "+494915123456789", "+4915123456789"),
        ("49 171 3369876", "DE", "+49491713369876", "+491713369876"),
        ("+49 49 171 3369876", None, "+49491713369876", "+491713369876"),
        ("62812345678", "ID", "+6262812345678", "+62812345678"),
        ("38343201234", "XK", "+38338343201234", "+38343201234"),
        ("447400123456", "DE", "+49447400123456", "+447400123456"),
        ("0015123456789", "DE", "+15123456789", "+4915123456789"),
        ("02482519023", "SC", "+482519023", "+2482519023"),
        ("78710009898", "KZ", "+78710009898", "+77710009898"),
        ("956662822", "MM", "+956662822", "+9596662822"),
        ("+39 (0)312 345 6312", None, "+3903123456312", "+393123456312"),
    ],
)
def test_two_readings_are_both_named_and_none_is_taken(
    raw: str, region: str | None, one: str, other: str
) -> None:
    refused = _refused(raw, region)

    assert refused.code == "ambiguous_phone"
    assert one in refused.reason
    assert other in refused.reason


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("15551230000", "US", "+15551230000"),
        ("447400123456", "GB", "+447400123456"),
        ("393123456789", "IT", "+393123456789"),
        ("015123456789", "DE", "+4915123456789"),
        ("15123456789", "DE", "+4915123456789"),
        ("+39 (0)6 12345678", None, "+390612345678"),
    ],
)
def test_two_readings_of_one_number_are_no_doubt(raw: str, region: str | None, e164: str) -> None:
    assert normalise(raw, region) == e164


def test_a_zero_before_the_calling_code_is_pointed_out() -> None:
    assert "+447400123456" in _refused("0447400123456", "GB").fix


@pytest.mark.parametrize(
    ("raw", "region"),
    [
        ("+1 900 234 5678", None),
        ("900 234 5678", "US"),
        ("+44 90 1234 5678", None),
        ("09012345678", "GB"),
        ("+44 7012 345678", None),
        ("+44 7640 123456", None),
        ("+979 123 456 789", None),
        ("+8816 1234 5678", None),
        ("00881612345678", "US"),
        ("+870 773 111 632", None),
        ("+882 34567890", None),
        ("+883 5100 1234 5678", None),
        ("+878 10 1234567890", None),
        ("+800 1234 5678", None),
        ("+49 900 1 123456", None),
        ("+49 164 123456", None),
        ("+49 177 99 1234567", None),
    ],
)
def test_no_text_goes_where_none_arrives_and_somebody_earns(raw: str, region: str | None) -> None:
    assert _refused(raw, region).code in {"premium_number", "invalid_phone"}
    assert plain_numbers([raw], region or "US") == [""]


@pytest.mark.parametrize(
    ("number", "what"),
    [
        ("+19002345678", "premium-rate"),
        ("+447012345678", "personal number"),
        ("+447640123456", "pager"),
        ("+881612345678", "satellite"),
        ("+979123456789", "international service"),
    ],
)
def test_what_kind_of_number_it_is_is_said(number: str, what: str) -> None:
    assert what in _refused(number, None).reason


@pytest.mark.parametrize("region", REGIONS)
def test_no_countrys_premium_numbers_pagers_and_voice_mailboxes_are_texted(region: str) -> None:
    kinds = phonenumbers.PhoneNumberType
    for kind in (kinds.PREMIUM_RATE, kinds.PAGER, kinds.VOICEMAIL):
        example = phonenumbers.example_number_for_type(region, kind)
        if example is not None:
            e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            assert _refused(e164, None).code == "premium_number"
            assert plain_numbers([e164], "US") == [""]


@pytest.mark.parametrize(
    "number",
    ["+18005551234", "+15005550006", "+443001234567", "+445612345678", "+611300123456"],
)
def test_what_a_business_may_have_enabled_for_texts_is_accepted(number: str) -> None:
    assert normalise(number, None) == number


@pytest.mark.parametrize(
    ("raw", "region"),
    [
        ("+52 1 55 1234 5678", None),
        ("0052 1 55 1234 5678", "US"),
        ("5215512345678", "MX"),
        ("1 55 1234 5678", "MX"),
        ("044 55 1234 5678", "MX"),
        ("045 55 1234 5678", "MX"),
        ("01 55 1234 5678", "MX"),
    ],
)
def test_mexicos_former_mobile_forms_have_every_digit(raw: str, region: str | None) -> None:
    assert normalise(raw, region) == "+525512345678"


@pytest.mark.parametrize(
    ("raw", "region"),
    [
        ("+55 11 8123-4567", None),
        ("+55 11 9123-4567", None),
        ("+55 11 7123-4567", None),
        ("+551171234567", None),
        ("(11) 8123-4567", "BR"),
        ("551181234567", "BR"),
    ],
)
def test_a_brazilian_mobile_of_eight_digits_lacks_its_ninth_which_is_not_added(
    raw: str, region: str | None
) -> None:
    refused = _refused(raw, region)

    assert refused.code == "invalid_phone"
    assert "ninth digit" in refused.reason
    assert plain_numbers([raw], region or "US") == [""]
    assert not any(map(str.isdigit, refused.fix))


@pytest.mark.parametrize(("written", "region"), [("UK", "GB"), ("uk", "GB"), ("EL", "GR")])
def test_a_country_is_known_by_its_other_name(written: str, region: str) -> None:
    mobile = next(mobiles(region, 1))

    assert normalise(mobile.dialled, written) == mobile.e164

"""What a file will do, added up in flat memory."""

from scheduler.ingest import Reject, ReportBuilder


def _reject(row: int, value: str = "x") -> Reject:
    return Reject(row, "phone", value, "invalid_phone", "why", "what to do", [value])


def test_an_empty_file_costs_nothing() -> None:
    report = ReportBuilder("utf-8", 5.0).report().as_dict()

    assert report["segments"] == {"total": 0, "min": 0, "max": 0}
    assert (report["rows"], report["eta_seconds"]) == (0, 0.0)


def test_segments_are_added_up_over_chunks() -> None:
    report = ReportBuilder("utf-8", 2.0)

    report.accept([2, 3])
    report.accept([])
    report.accept(iter([1, 7]))

    assert report.report().segments == {"total": 13, "min": 1, "max": 7}
    assert report.report().eta_seconds == 2.0


def test_a_letter_whose_mark_is_a_character_of_its_own_is_warned_of() -> None:
    report = ReportBuilder("utf-8", 1.0)

    report.blame("Hi Jo\u0308rg", row=2)
    report.blame("Hi Jo\u0308ran", row=5)
    report.blame("Hi Łuka\u0301š 👍🏽", row=6)  # of these only á would be GSM-7, which has none

    (warning,) = report.report().as_dict()["warnings"]
    assert (warning["code"], warning["rows"]) == ("combining_mark", [2, 5])
    assert "“o” and combining diaeresis" in warning["message"]


def test_many_different_characters_do_not_fill_the_memory() -> None:
    report = ReportBuilder("utf-8", 1.0)

    for point in range(0x4E00, 0x4E00 + 12_000):
        report.blame(f"漢{chr(point)}", row=2)

    assert len(report.characters) <= 10_001
    assert report.report().ucs2_characters[0] == "漢"
    assert len(report.report().ucs2_characters) == 50


def test_a_very_long_value_is_cut_in_the_report() -> None:
    report = ReportBuilder("utf-8", 1.0)

    report.reject([_reject(2, "y" * 5000)])

    assert report.report().as_dict()["rejects"][0]["value"] == "y" * 200 + "…"

"""What is doubtful is said once, with the first rows it concerns."""

from scheduler.ingest import ReportBuilder
from scheduler.ingest.read.warnings import Warnings


def test_the_same_doubt_about_several_rows_is_one_warning_with_the_first_ten_rows() -> None:
    warnings = Warnings()

    for row in [*range(2, 30), *range(2, 30)]:  # a file is read more than once
        warnings.add("odd", "It looks odd.", fix="Look at it.", row=row)

    (warning,) = warnings.found()
    assert warning.as_dict() == {
        "code": "odd",
        "message": "It looks odd.",
        "rows": list(range(2, 12)),
        "fix": "Look at it.",
    }


def test_a_file_full_of_different_doubts_does_not_fill_the_memory() -> None:
    warnings = Warnings()

    for row in range(5000):
        warnings.add("odd", f"Row {row} looks odd.", fix="Look at it.", row=row)

    assert len(warnings.found()) == 100


def test_a_warning_added_while_rows_are_read_is_in_the_report() -> None:
    warnings = Warnings()
    report = ReportBuilder("utf-8", 1.0, warnings=warnings)

    warnings.add("odd", "It looks odd.", fix="Look at it.")

    assert report.report().as_dict()["warnings"][0]["code"] == "odd"

"""What is away is told of when it goes and when it is back, and not in between."""

from unittest.mock import Mock

from shared.outage import Outage


def test_a_hundred_failures_and_an_answer_are_two_lines() -> None:
    log = Mock()
    broker = Outage(log, away="broker.away", back="broker.back")

    for _ in range(100):
        broker.failed(OSError("refused"), published=0)
    broker.answered()
    broker.answered()

    (away, told), (back, summed) = [(call.args[0], call.kwargs) for call in log.warning.mock_calls]
    assert (away, told) == ("broker.away", {"error": "OSError", "published": 0})
    assert (back, summed["failures"]) == ("broker.back", 100)


def test_each_absence_is_told_of_anew_and_only_its_first_failure_is_news() -> None:
    log = Mock()
    broker = Outage(log, away="away", back="back")

    news = [broker.failed(OSError()), broker.failed(OSError())]
    broker.answered()
    news.append(broker.failed(OSError()))

    assert news == [True, False, True]
    assert [call.args[0] for call in log.warning.mock_calls] == ["away", "back", "away"]

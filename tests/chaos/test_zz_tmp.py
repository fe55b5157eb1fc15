import pytest

from tests.chaos.test_model import play


@pytest.mark.usefixtures("history")
def test_long():
    play(examples=1200)

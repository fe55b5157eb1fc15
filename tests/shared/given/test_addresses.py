"""Addresses: what is taken, how it is written afterwards, and that no refusal quotes one."""

from collections.abc import Callable

import pytest

from shared.given import addresses

SECRET = "hunter2-Pa55word"


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("postgresql://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgres://u:p@h/d", "postgresql://u:p@h/d"),
        ("POSTGRES://u:p@h/d", "postgresql://u:p@h/d"),
        ("postgresql+psycopg://u:p@h:5433/d", "postgresql+psycopg://u:p@h:5433/d"),
        ("postgresql://u:p%40%2F%23@h/d?sslmode=require", None),
        ("postgresql://u:p@[2001:db8::1]:5432/d", None),
        ("postgresql:///volley", None),
        ("postgresql://u:p@/d?host=%2Frun%2Fpostgresql", None),
    ],
)
def test_every_usual_way_to_name_a_database_is_taken(given: str, taken: str | None) -> None:
    assert addresses.postgres(given) == (taken or given)


@pytest.mark.parametrize(
    "given",
    [
        "redis://h",
        "redis://:p%40@h:6379/3",
        "rediss://u:p@h:6380/0?ssl_cert_reqs=none&socket_timeout=5",
    ],
)
def test_every_usual_way_to_name_a_store_is_taken_and_is_a_broker_too(given: str) -> None:
    assert addresses.redis(given) == addresses.broker(given) == given


@pytest.mark.parametrize("given", ["amqp://u:p@h:5672/v", "amqps://u:p@h//", "pyamqp://h"])
def test_every_usual_way_to_name_a_rabbitmq_is_taken(given: str) -> None:
    assert addresses.broker(given) == given


def test_an_address_of_the_web_loses_the_slash_at_its_end() -> None:
    assert addresses.web("HTTPS://sms.example.org/volley/") == "https://sms.example.org/volley"


@pytest.mark.parametrize(
    "judge", [addresses.postgres, addresses.redis, addresses.broker, addresses.web]
)
@pytest.mark.parametrize(
    "given",
    [
        SECRET,
        f"{SECRET}://h/d",
        f"x://u:{SECRET}@h",
        *(
            f"{{scheme}}://{rest}"
            for rest in (
                f"u:{SECRET}@h:x/0",
                f"u:{SECRET}@h:99999/0",
                f"u:{SECRET}/x@h/0",
                f"u:{SECRET}?x@h/0",
                f"u:{SECRET}#x@h/0",
                f"u:{SECRET}@x@h/0",
                f"u:{SECRET}%zz@h/0",
                f"u:{SECRET}@[::1/0",
                f"u:{SECRET} @h/0",
                f"u:{SECRET}\n@h/0",
                f"h/0?{SECRET}",
            )
        ),
    ],
)
def test_what_is_refused_is_not_quoted(judge: Callable[[str], str], given: str) -> None:
    schemes = {"postgres": "postgresql", "redis": "redis", "broker": "amqp", "web": "https"}
    address = given.replace("{scheme}", schemes[judge.__name__])

    with pytest.raises(ValueError, match=r"write|written|blank|wrong|name=value|#") as refused:
        judge(address)

    assert SECRET.lower() not in str(refused.value).lower()
    assert "\n" not in str(refused.value)


def test_a_password_is_blotted_out_of_what_a_library_says_however_it_is_written() -> None:
    address = "redis://u:p%40ss%2Fword@h/0"

    said = addresses.without_password(f"{address}: p@ss/word, p%40ss%2Fword", address)

    assert said == "***: ***, ***"


def test_a_password_of_a_letter_does_not_blot_out_the_sentence() -> None:
    assert addresses.without_password("a cat", "redis://:a@h") == "a cat"

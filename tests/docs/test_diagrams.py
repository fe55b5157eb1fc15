"""The pictures of architecture.md are the tables of the code, arrow for arrow."""

import re
from typing import Any

import pytest

from shared.db.models import Base
from shared.domain import campaign, message
from shared.domain.campaign import CampaignStatus
from shared.domain.message import MessageStatus
from shared.queue.topology import Queue
from tests.support.documents import blocks, page, plain, section, spans, table

ARCHITECTURE = page("deploy/docs/architecture.md")
GLOSSARY = page("deploy/docs/glossary.md")


def arrows(title: str) -> list[tuple[str, str]]:
    """The transitions that the diagrams of a section draw; `[*]` is where a life begins."""
    drawn = []
    for block in blocks(section(ARCHITECTURE, title), "mermaid"):
        assert block.text.startswith("stateDiagram-v2")
        drawn += re.findall(r"^ *(\S+) --> (\w+)", block.text, re.MULTILINE)
    return drawn


@pytest.mark.parametrize(
    ("title", "table_of_the_code"),
    [("The life of a message", message.NEXT), ("The life of a campaign", campaign.NEXT)],
)
def test_a_life_is_drawn_as_its_table_has_it(title: Any, table_of_the_code: Any) -> None:
    drawn = [arrow for arrow in arrows(title) if arrow[0] != "[*]"]

    assert len(drawn) == len(set(drawn)), "an arrow is drawn twice"
    assert set(drawn) == {
        (old.value, new.value) for old, allowed in table_of_the_code.items() for new in allowed
    }


def test_the_tables_that_are_drawn_and_named_are_those_of_the_database() -> None:
    data = section(ARCHITECTURE, "Data")
    (drawn,) = blocks(data, "mermaid")
    related = set(re.findall(r"\b[a-z_]+\b(?= [|}]|\s*:)", re.sub(r'"[^"]*"', "", drawn.text)))
    beside = data.partition("without relations:")[2].partition("\n\n")[0]

    named = related | set(spans(beside))
    assert named == set(Base.metadata.tables)


def test_the_queues_are_named() -> None:
    named = ARCHITECTURE.partition("\nQueues (")[2].partition("Jobs carry")[0]

    assert set(spans(named)) == {queue.value for queue in Queue}


def test_the_glossary_lists_every_status_of_a_message_in_order_of_life() -> None:
    rows = table(section(GLOSSARY, "Statuses of a message"))

    assert [row[0].strip("`") for row in rows] == [status.value for status in MessageStatus]


def test_the_glossary_tells_a_campaigns_life() -> None:
    (row,) = [line for line in GLOSSARY.splitlines() if line.startswith("| **campaign**")]

    named = set(re.findall(r"[a-z]+", " ".join(spans(row))))
    assert named == {status.value for status in CampaignStatus}
    assert "`draft → ready → (scheduled →) running ⇄ paused → finished`" in row


def test_what_keeps_a_campaign_open_is_what_the_code_looks_at() -> None:
    keeps = ", ".join(message.UNSENT[:-1]) + f" or {message.UNSENT[-1]}"

    assert f"A campaign is finished when nothing of it is {keeps}." in plain(ARCHITECTURE)

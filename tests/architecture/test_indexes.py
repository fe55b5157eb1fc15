"""No index mentions `status`: one that does makes every update of the row rewrite all indexes."""

import pytest
from sqlalchemy import Index

from shared.db.models import Base
from tests.support.factories import rows

#: By name: a table keeps them as a set, whose order is another in every process.
INDEXES = sorted(
    (index for table in Base.metadata.tables.values() for index in table.indexes),
    key=lambda index: str(index.name),
)


@pytest.mark.parametrize("index", INDEXES, ids=lambda index: index.name)
def test_no_index_of_a_model_mentions_status(index: Index) -> None:
    condition = index.dialect_options["postgresql"]["where"]

    assert "status" not in {column.name for column in index.columns}
    assert "status" not in str(condition)


def test_no_index_of_the_migrated_database_mentions_status(database: str) -> None:
    found = rows("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")

    assert len(found) >= len(INDEXES)
    assert [name for name, definition in found if "status" in definition] == []


def test_the_models_are_the_schema(database: str) -> None:
    found = {name for (name,) in rows("SELECT indexname FROM pg_indexes WHERE schemaname='public'")}

    assert {index.name for index in INDEXES} <= found

"""A statement is written out whole, under a name: nothing is put into it but parameters.

See deploy/docs/decisions/0024. What stands here twice is held together by test_twins.py.
"""

import ast
from typing import Final

import pytest

from tests.support import sources
from tests.support.glued_sql import glued

#: What cannot be a parameter. This list may only become shorter.
ALLOWED: Final = {
    ("shared/db/models/declarative.py", "one_of"): "DDL takes no parameters",
    ("shared/db/session.py", "_on_begin"): "SET takes no parameters",
    ("scheduler/ingest/check/dedup.py", "_rows_of"): "SQLite has no lists: a mark for each number",
}


def test_no_statement_is_put_together_from_pieces() -> None:
    found = {
        (sources.name(path), one.where, one.how)
        for path in sources.modules()
        for one in glued(sources.tree(path))
    }

    assert {each for each in found if each[:2] not in ALLOWED} == set()
    assert {each[:2] for each in found} == ALLOWED.keys()
    assert len(ALLOWED) <= 3


@pytest.mark.parametrize(
    "code",
    [
        'A = f"SELECT {x} FROM message"',
        'A = f"SELECT id FROM message WHERE {a} = 1"',
        'A = "SELECT {x}".format(x=1)',
        'A = B.format(more=" WHERE id = :id")',
        'A = "{id} IS NULL"\nB = A.format(id="a.id")',
        'A = "SELECT 1"\nB = A + " LIMIT 1"',
        'A = "SELECT 1"\nB = f"{A} LIMIT 1"',
        'A = "SELECT 1"\nB = A.replace("1", "2")',
        'A = "SELECT %s" % x',
        'A = "".join(["SELECT id ", x])',
        'A = ", ".join(f"CASE WHEN {a} THEN 1 END" for a in b)',
        'def f():\n    a = "SELECT id"\n    a += x\n',
        'from string import Template\nA = Template("SELECT $x").substitute(x=1)',
        "from sqlalchemy import text\nA = text(B)",
        "from sqlalchemy import text\nA = text(B.C + D)",
        'from sqlalchemy import text\nA = text(f"{b}")',
        'from sqlalchemy import Connection, text\ndef f(c):\n    c.execute(text("SELECT 1"))',
    ],
)
def test_the_search_finds_sql_however_it_is_put_together(code: str) -> None:
    assert glued(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        'A = "SELECT 1"',
        'A = ("SELECT 1 " "FROM message")',
        'from sqlalchemy import text\nA = text("""SELECT 1""")',
        'from sqlalchemy import text\nA = {"a": text("SELECT 1")}',
        'A = f"select one of {many} from the list, where it is in (brackets)"',
        'A = "a" + b',
        'def f(text):\n    return text(f"{b}")',
        'def f(c):\n    return c.execute(A, {"id": f"{b}"}).scalar()',
    ],
)
def test_the_search_takes_nothing_else_for_it(code: str) -> None:
    assert glued(ast.parse(code)) == []

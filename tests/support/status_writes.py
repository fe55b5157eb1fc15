"""Finds every statement that writes the status of a message, a campaign or an attempt.

It reads SQL as text: in the strings of Python, in migrations, and in functions of the database. A
piece that is filled in at run time might be anything, so a table or a column that is one counts as
a status.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

#: What stands where an f-string, or `+`, puts a value in.
HOLE: Final = "\0"
_TABLE: Final = rf'(?:public\.)?"?(?P<table>message|campaign|attempt|{HOLE})"?(?![\w.])'
_UPDATE: Final = re.compile(
    rf"\bUPDATE\s+(?:ONLY\s+)?{_TABLE}(?:\s+(?:AS\s+)?(?!SET\b)\w+)?\s+SET\b", re.I
)
_BEGIN: Final = re.compile(rf"\b(?:INSERT\s+INTO|COPY|MERGE\s+INTO)\s+{_TABLE}", re.I)
_UPSERT: Final = re.compile(r"\bDO\s+UPDATE\s+SET\b", re.I)
_NEW: Final = re.compile(
    r"\bNEW\s*\.\s*\"?status\"?\s*:=|(?:;|\bBEGIN|\bTHEN|\bELSE)\s*NEW\s*\.\s*\"?status\"?\s*=",
    re.I,
)
#: Ends the list of what is set, outside brackets.
_ENDS: Final = re.compile(r"(?:FROM|WHERE|RETURNING)\b|;", re.I)
_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
#: SQLAlchemy's own ways to write a row.
_OF_TABLES: Final = re.compile(r"__table__|\btables\b|\bsqlalchemy\b|\bsa\b|\borm\b|^op$")
_BUILDERS: Final = {"insert", "update", "merge", "Session", "sessionmaker", "bulk_insert"}


class Write(NamedTuple):
    """A write of a status: `words` are its first, up to a value that is filled in."""

    table: str
    words: str


def writes(sql: str) -> list[Write]:
    """Those of one text, in order of the text."""
    sql = _COMMENT.sub(" ", sql)
    sql = re.sub(r"\bDISTINCT\s+FROM\b", "DISTINCT_FROM", sql, flags=re.IGNORECASE)
    found: list[tuple[int, Write]] = []
    for update in _UPDATE.finditer(sql):
        assigned = _assigned(sql[update.end() :])
        if any(re.search(rf"\bstatus\b|{HOLE}", column) for column in _columns(assigned)):
            words = update[0] + assigned
            found.append((update.start(), Write(update["table"], _first(words))))
    for begin in _BEGIN.finditer(sql):
        columns = sql[begin.start() :].partition(")")[0]
        found.append((begin.start(), Write(begin["table"], _first(columns))))
        for upsert in _UPSERT.finditer(sql, begin.end()):
            assigned = _assigned(sql[upsert.end() :])
            if any("status" in column for column in _columns(assigned)):
                found.append((upsert.start(), Write(begin["table"], _first(upsert[0] + assigned))))
    found += [(new.start(), Write("a trigger's", _first(new[0]))) for new in _NEW.finditer(sql)]
    return [write for _, write in sorted(found)]


def plain(sql: str) -> str:
    """Without comments, with single spaces: what a write's `words` are found in."""
    return " ".join(_COMMENT.sub(" ", sql).split())


def _assigned(sql: str) -> str:
    """What follows SET, up to the end of the list."""
    depth = 0
    for at, sign in enumerate(sql):
        depth += (sign == "(") - (sign == ")")
        before = sql[at - 1] if at else " "
        if depth < 0 or (depth == 0 and not re.match(r"\w", before) and _ENDS.match(sql, at)):
            return sql[:at]
    return sql


def _columns(assigned: str) -> Iterator[str]:
    """What stands left of each `=` of the list."""
    depth, start = 0, 0
    for at, sign in enumerate(assigned + ","):
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            yield assigned[start:at].partition("=")[0]
            start = at + 1


def _first(words: str) -> str:
    """Up to the first value that is filled in, with single spaces."""
    return " ".join(re.split(rf"[:{HOLE}]", words)[0].split()).replace(
        "DISTINCT_FROM", "DISTINCT FROM"
    )


def in_module(path: Path) -> list[Write]:
    """Those of a Python file; also where it has SQLAlchemy make the statement from a model."""
    tree = ast.parse(path.read_text())
    found = [write for sql in strings(tree) for write in writes(sql)]
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            names = [imported.name for imported in node.names]
        if isinstance(node, ast.Attribute) and _OF_TABLES.search(ast.unparse(node.value)):
            names = [node.attr]
        found += [Write("a model's", name) for name in names if name in _BUILDERS]
    return found


def strings(tree: ast.AST) -> Iterator[str]:
    """Every text that the file writes down; what is put in at run time is a HOLE."""
    text = _text(tree)
    if text.strip(HOLE):
        yield text
    if not isinstance(tree, ast.Constant | ast.JoinedStr) and not text.strip(HOLE):
        for child in ast.iter_child_nodes(tree):
            yield from strings(child)


def _text(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=pieces):
            return "".join(_text(piece) for piece in pieces)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left) + _text(right)
    return HOLE

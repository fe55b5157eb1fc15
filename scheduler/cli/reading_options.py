"""The options that say how a file is to be read, the same for every command that reads one."""

from typing import Annotated, Final

import typer

Encoding = Annotated[
    str | None,
    typer.Option(
        help="The file's encoding, such as utf-8 or windows-1250. Default: found out.",
        show_default=False,
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        help='What divides the cells: "," or ";" or "|" or tab. Default: found out.',
        show_default=False,
    ),
]
IncludeHidden = Annotated[
    bool,
    typer.Option("--include-hidden", help="Take in the rows that a workbook hides or filters."),
]

_DIVIDERS: Final = {
    **{divider: divider for divider in ",;\t|"},
    "tab": "\t",
    "\\t": "\t",
    "comma": ",",
    "semicolon": ";",
    "pipe": "|",
}


def divider(given: str | None) -> str | None:
    """The delimiter a person means. Raises BadParameter."""
    if given is None:
        return None
    found = _DIVIDERS.get(given.lower())
    if found is None:
        raise typer.BadParameter('--delimiter is "," or ";" or "|" or tab.')
    return found

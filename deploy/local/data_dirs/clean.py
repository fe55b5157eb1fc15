"""`volley clean`: remove data directories that no DATA_DIR leads to, when a person agrees.

`--yes` is the answer for those whose DATA_DIR is certainly gone. Where that cannot be seen (another
disk, another container, made before the ids) a person must have named the directory, or say yes to
it alone.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from deploy.local.data_dirs import leftovers
from deploy.local.data_dirs.data_dir import DEMO
from deploy.local.data_dirs.leftovers import Leftover
from deploy.local.data_dirs.ties import Tie
from shared.errors import Refused
from shared.settings import Settings, settings

MB = 1_000_000


def clean(
    *,
    named: Sequence[Path] = (),
    yes: bool = False,
    ask: Callable[[str], bool],
    tell: Callable[[str], None] = print,
) -> int:
    """List what is left over, and remove what may go. `named` leaves all others out.

    Returns the exit code: 1 if something that was to go is still there. Raises Refused if what is
    named is no leftover.
    """
    for path in leftovers.finish():
        tell(f"{path} was only half there, and is removed")
    found = _chosen(leftovers.leftovers(known_data_dirs(settings())), named)
    for one in found:
        tell(f"{one.path}: {describe(one)}")
    if not found:
        tell("Nothing is left over: every data directory has its DATA_DIR.")
    removable = [one for one in found if one.removable]
    gone = [one for one in removable if one.tie is Tie.GONE]
    unsure = [one for one in removable if one.tie is not Tie.GONE]
    agreed = gone if gone and (yes or ask(_question(gone))) else []
    if yes and not named:
        for one in unsure:
            tell(f"{one.path} stays: it takes volley clean --yes {one.path}, or an answer")
        unsure = []
    return _remove([*agreed, *(one for one in unsure if yes or ask(_doubtful(one)))], tell)


def known_data_dirs(chosen: Settings) -> list[Path]:
    """The DATA_DIRs that we know of without looking for any."""
    own = chosen.data_dir.absolute()
    return [own, own / DEMO]


def describe(one: Leftover) -> str:
    """The facts that a person needs before the removal: content, size, age, owner."""
    return "; ".join(
        [_campaigns(one), f"{one.size / MB:,.0f} MB", f"last used {_time(one.used)}", _owner(one)]
        + ([stays] if (stays := _stays(one)) else [])
    )


def _campaigns(one: Leftover) -> str:
    if one.counted is None:
        if not (one.path / "postgres").exists():
            return "no database"
        return "nobody has counted its campaigns"
    number = one.counted.campaigns
    return f"{number} campaign{'' if number == 1 else 's'} on {_time(one.counted.at)}"


def _owner(one: Leftover) -> str:
    was = f"was {one.was}" if one.was else "is not known"
    if one.tie is Tie.GONE:
        return f"its DATA_DIR {was} and is gone"
    return f"its DATA_DIR {was}, and cannot be seen from here"


def _stays(one: Leftover) -> str:
    if one.busy:
        return f"stays: {one.busy}"
    return "" if one.rested else "stays: used within a day"


def _question(gone: Collection[Leftover]) -> str:
    size = sum(one.size for one in gone) / MB
    which = (
        "the one whose DATA_DIR is" if len(gone) == 1 else f"all {len(gone)} whose DATA_DIRs are"
    )
    return f"Remove {which} gone, {size:,.0f} MB, for good?"


def _doubtful(one: Leftover) -> str:
    where = f" {one.was}" if one.was else ""
    return (
        f"{one.path}: its DATA_DIR{where} may be on a disk that is not mounted, moved to another "
        "one, or in another container. Remove it for good all the same?"
    )


def _remove(agreed: Collection[Leftover], tell: Callable[[str], None]) -> int:
    failed = 0
    for one in agreed:
        try:
            _require_still_left(one)
            leftovers.remove(one.path)
            tell(f"{one.path} is removed")
        except Refused as refusal:
            failed = 1
            tell(refusal.message)
    return failed


def _require_still_left(one: Leftover) -> None:
    """Raises Refused if a DATA_DIR leads to it by now: the person's answer may have taken long."""
    now = {found.path: found for found in leftovers.leftovers(known_data_dirs(settings()))}
    found = now.get(one.path)
    if found is None:
        raise Refused("no_leftover", f"{one.path} stays: a DATA_DIR leads to it.")
    if stays := _stays(found):
        raise Refused("data_in_use", f"{one.path} {stays}.")


def _chosen(found: list[Leftover], named: Sequence[Path]) -> list[Leftover]:
    """Those that were named, or all."""
    if not named:
        return found
    by_path = {one.path: one for one in found}
    for path in named:
        if path.absolute() not in by_path:
            raise Refused(
                "no_leftover",
                f"{path} is no leftover data directory: volley clean lists those there are.",
            )
    return [by_path[path.absolute()] for path in named]


def _time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M UTC")

"""Files that say who may not be texted any more: lists, exports with opt-out columns, logs."""

from scheduler.people.opt_outs.file import OptOutFile, open_file
from scheduler.people.opt_outs.verdict import LeftOut, Number, Unreadable

__all__ = ["LeftOut", "Number", "OptOutFile", "Unreadable", "open_file"]

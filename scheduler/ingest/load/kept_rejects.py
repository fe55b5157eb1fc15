"""Which rejects the table keeps: a file of ten million bad lines does not fill the database.

The report counts them all, and the reject file has them all (`again`): it reads the stored file
once more. So what the file alone decides may be left out. What our own lists decided is kept, how
much it may be: those lists change, and they bound it themselves, since a number is looked up once.
"""

from typing import Final

from scheduler.ingest.check.pipeline import Chunk
from scheduler.ingest.rejects import Reject, RejectCode

#: Duplicates that are kept, and rejects of all other codes that are.
MOST: Final = 100_000


class Kept:
    """Passes on the first rejects of a file, which has to go by from its start."""

    def __init__(self) -> None:
        self._duplicates = MOST
        self._others = MOST
        #: whether any was left out
        self.left_out = False

    def of(self, chunk: Chunk) -> list[Reject]:
        """The rejects of the file's next chunk that are kept, in their order."""
        kept = []
        for reject in chunk.rejected:
            if reject.row in chunk.screened or self._has_room(reject.code):
                kept.append(reject)
            else:
                self.left_out = True
        return kept

    def _has_room(self, code: str) -> bool:
        if code == RejectCode.DUPLICATE:
            self._duplicates -= 1
            return self._duplicates >= 0
        self._others -= 1
        return self._others >= 0

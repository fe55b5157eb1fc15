"""What a request asked, as one hash: the same question hashes alike, however it is wrapped."""

import hashlib

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers


class BodyHash:
    """SHA-256 of a body that comes in pieces; of a multipart body, of its parts one by one.

    Clients choose the boundary anew each time. Only where it divides is it left out (RFC 2046, 5.1:
    a line that begins with two hyphens and the boundary): the same characters inside a part are
    what was asked.
    """

    def __init__(self, headers: Headers) -> None:
        kind, options = parse_options_header(headers.get("content-type", ""))
        boundary = options.get(b"boundary", b"")
        self._divider = b"\r\n--" + boundary if kind == b"multipart/form-data" and boundary else b""
        self._parts = hashlib.sha256()
        self._part = hashlib.sha256()
        # The first divider may stand at the very beginning, with no line end before it.
        self._held = b"\r\n" if self._divider else b""

    def add(self, piece: bytes) -> None:
        """The next piece."""
        if not self._divider:
            self._part.update(piece)
            return
        *whole, rest = (self._held + piece).split(self._divider)
        for end in whole:
            self._part.update(end)
            self._parts.update(self._part.digest())
            self._part = hashlib.sha256()
        # The end may be the beginning of a divider that the next piece completes.
        kept = max(0, len(rest) - len(self._divider) + 1)
        self._part.update(rest[:kept])
        self._held = rest[kept:]

    def digest(self) -> bytes:
        """The hash of all pieces."""
        part, parts = self._part.copy(), self._parts.copy()
        part.update(self._held)
        parts.update(part.digest())
        return parts.digest()

"""Good files and good requests, spoilt at random, against an API that runs as it always does.

`python -m tests.chaos.mutations --minutes 5` is the long form and part of `make chaos`. It exits 1
when anything was answered with a 5xx or not at all, when the API died, or when its memory grew by
more than its bound. A failure prints the smallest request that shows it.
"""

import argparse
import json
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import hypothesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from tests.chaos.harness import Bench, bench
from tests.support import workbooks
from tests.support.shapes import FOLDER

#: MiB by which the API may grow over what it had when it was ready.
GROWS_BY: Final = 200
#: Seconds for an answer to begin. A hang is a hang, on a busy machine too.
PATIENCE: Final = 120.0
#: Requests between two looks at the clock.
_ROUND: Final = 40
#: Bytes of what is spoilt.
_LONGEST: Final = 1 << 20
#: Characters of the API's log that a failure shows.
_LAST_WORDS: Final = 8000
_HOST: Final = b"Host: volley.test\r\nConnection: close\r\n"
_BOUNDARY: Final = b"a-boundary-0123456789"
#: What means something to a reader of files or of requests, and so is put where it does not belong.
_TOKENS: Final = (
    b'"', b"'", b",", b";", b"\t", b"|", b"\r", b"\n", b"\r\n\r\n", b"\x00", b"\xff\xfe",
    b"\xef\xbb\xbf", b"\xed\xa0\x80", b"=", b"{", b"{{", b"}", b"[" * 50, b"<", b"&", b"%00",
    b"%ff", b"/", b"..", b"?", b"-1", b"9" * 25, b"1e400", b"\\u0000", b"\\ud800",
    b"--" + _BOUNDARY, b"PK\x03\x04", b"PK\x05\x06", b'"a' * 500, b" " * 3000, b"A1048576",
    b"XFD1048576",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """One request as bytes: `target` and `head` lines as they go on the wire."""

    method: bytes
    target: bytes
    head: bytes = b""
    body: bytes = b""

    def wire(self, key: str) -> bytes:
        """All of it, with our key and the body's true length."""
        length = f"Authorization: Bearer {key}\r\nContent-Length: {len(self.body)}\r\n".encode()
        line = self.method + b" " + self.target + b" HTTP/1.1\r\n"
        return line + _HOST + length + self.head + b"\r\n" + self.body


@dataclass
class Found:
    """What a run saw. `peak` and `ready` are the API's memory in MiB."""

    ready: float
    peak: float = 0.0
    answers: Counter[int] = field(default_factory=Counter)


def spoilt(good: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Good bytes with a few changes: bits flipped, pieces cut, doubled, moved or put in."""
    change = st.tuples(
        st.sampled_from(sorted(_CHANGES)),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 400),
        st.sampled_from(_TOKENS),
    )
    return st.builds(_changed, good, st.lists(change, min_size=1, max_size=6))


def _changed(good: bytes, changes: list[tuple[str, float, int, bytes]]) -> bytes:
    for kind, where, length, token in changes:
        good = _CHANGES[kind](good, int(where * len(good)), length, token)[:_LONGEST]
    return good


def _flip(good: bytes, at: int, bit: int) -> bytes:
    return good[:at] + bytes(byte ^ (1 << bit % 8) for byte in good[at : at + 1]) + good[at + 1 :]


_CHANGES: Final[Mapping[str, Callable[[bytes, int, int, bytes], bytes]]] = {
    "flip": lambda good, at, n, _: _flip(good, at, n),
    "cut": lambda good, at, n, _: good[:at] + good[at + n :],
    "double": lambda good, at, n, _: good[:at] + good[at : at + n] * (2 + n % 50) + good[at + n :],
    "insert": lambda good, at, _, token: good[:at] + token + good[at:],
    "end": lambda good, at, _, __: good[:at],
    "move": lambda good, at, n, _: good[at + n :] + good[: at + n],
}


def files() -> st.SearchStrategy[bytes]:
    """Spoilt files: as bytes, and workbooks whose parts are spoilt inside a zip that is whole."""
    good = [p.read_bytes() for p in sorted(FOLDER.glob("*.*")) if p.suffix in {".csv", ".txt"}]
    good += [b"phone,name\r\n" + b"".join(b"+1202555%04d,Ana\r\n" % n for n in range(200))]
    sheet = "".join(
        f'<row r="{n}"><c r="A{n}" t="inlineStr"><is><t>+1202555{n:04d}</t></is></c>'
        f'<c r="B{n}"><v>{n}</v></c></row>'
        for n in range(2, 60)
    )
    titles = '<row r="1"><c r="A1" t="inlineStr"><is><t>phone</t></is></c></row>'
    parts = {
        name: part.encode() if isinstance(part, str) else part
        for name, part in workbooks.xlsx_parts(titles + sheet).items()
    }
    whole = workbooks.packed(parts)
    inside = st.sampled_from(sorted(parts)).flatmap(
        lambda name: spoilt(st.just(bytes(parts[name]))).map(  # type: ignore[arg-type]
            lambda part: workbooks.packed(parts | {name: part})
        )
    )
    assert len(good) > 5
    return spoilt(st.sampled_from([*good, whole])) | inside


def uploads() -> st.SearchStrategy[Request]:
    """POST /api/campaigns with a spoilt file, or with a spoilt form around a good one."""
    chosen = {"name": "spoilt", "agent_id": "sales", "message": "Hi {name}", "window": "always"}
    told = json.dumps(chosen).encode()
    good = _form(b"phone,name\n+12025550101,Ana\n", told)
    form = st.builds(_form, files(), st.just(told)) | spoilt(st.just(good))
    return form.map(
        lambda body: _posted(b"/api/campaigns", body, b"multipart/form-data; boundary=")
    )


def _form(file: bytes, settings: bytes) -> bytes:
    named = b'Content-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    parts = (
        named % (b"file", b'; filename="people.csv"', file),
        named % (b"settings", b"", settings),
    )
    divider = b"--" + _BOUNDARY
    return b"".join(divider + b"\r\n" + part for part in parts) + divider + b"--\r\n"


def _posted(target: bytes, body: bytes, kind: bytes, method: bytes = b"POST") -> Request:
    more = _BOUNDARY if kind.startswith(b"multipart") else b""
    return Request(method, target, b"Content-Type: " + kind + more + b"\r\n", body)


def others() -> st.SearchStrategy[Request]:
    """Requests of the other routes with a spoilt address, head or body."""
    kind = b"application/json"
    agent = b'{"id": "more", "senders": ["+15005550006"], "sessions_per_second": 2, "name": "B"}'
    good = [
        _posted(b"/api/agents", agent, kind),
        _posted(b"/api/agents/sales", b'{"timezone": "Europe/Berlin"}', kind, b"PATCH"),
        _posted(b"/api/campaigns/1", b'{"send_before": "2031-01-01T00:00:00Z"}', kind, b"PATCH"),
        _posted(b"/api/campaigns/1/resolve-unknown", b'{"as": "failed", "reason": "x"}', kind),
        _posted(b"/api/campaigns/1/launch", b"", kind),
        _posted(b"/api/suppressions", b'[{"number": "+12025550188", "reason": "x"}]', kind),
        _posted(b"/api/keys", b'{"name": "k", "role": "viewer"}', kind),
        _posted(b"/webhooks/twilio/status", b"MessageSid=SM1&MessageStatus=sent", b"text/plain"),
        Request(b"GET", b"/api/campaigns?after=5&limit=10&status=ready"),
        Request(b"GET", b"/api/campaigns/1/messages?after=5&limit=10&status=ready"),
        Request(b"GET", b"/api/campaigns/1/messages.csv"),
        Request(b"GET", b"/api/campaigns/1/rejects.csv"),
        Request(b"GET", b"/api/messages/1"),
        Request(b"GET", b"/api/suppressions?after=%2B1202&limit=3"),
        Request(b"GET", b"/api/audit?subject=campaign:1&after=100"),
        Request(b"DELETE", b"/api/suppressions/+12025550188"),
        Request(b"GET", b"/docs"),
    ]
    one = st.sampled_from(good)
    return st.one_of(
        one.flatmap(lambda r: _with(r, body=r.body or b"{}")),
        one.flatmap(lambda r: _with(r, target=r.target)),
        one.flatmap(lambda r: _with(r, head=r.head + b"Idempotency-Key: abc\r\nX-Odd: a\r\n")),
    )


def _with(request: Request, **part: bytes) -> st.SearchStrategy[Request]:
    """The request with one part of it spoilt."""
    ((name, good),) = part.items()
    kept = {each: getattr(request, each) for each in ("method", "target", "head", "body")}
    return spoilt(st.just(good)).map(lambda bad: Request(**(kept | {name: bad})))


def asked(address: tuple[str, int], wire: bytes) -> int:
    """The status of the answer; 0 when the connection was closed without one."""
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        try:
            connection.sendall(wire)
            begun = b""
            while b"\r\n" not in begun and (piece := connection.recv(4096)):
                begun += piece
        except ConnectionError:  # it had heard enough, such as of a head that makes no sense
            return 0
    answer = re.match(rb"HTTP/1\.1 (\d{3}) ", begun)
    return int(answer[1]) if answer else 0


def memory(pid: int, name: str) -> float:
    """VmRSS or VmHWM of a process in MiB."""
    found = re.search(rf"{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def run(stack: Bench, goes_on: Callable[[int], bool], *, seed: int = 0) -> Found:
    """Ask in rounds, as long as `goes_on(round)`. Raises AssertionError at the first that fails."""
    [pid] = stack.pids("api")
    parts = urlsplit(stack.stack.api_url)
    address = (str(parts.hostname), int(parts.port or 80))
    key = stack.stack.api_key_path.read_text().strip()
    found = Found(ready=memory(pid, "VmRSS"))

    def tried(request: Request) -> None:
        status = asked(address, request.wire(key))
        found.answers[status] += 1
        assert status < 500, f"answered {status}; the API's last words:\n{_last_words(stack)}"
        assert stack.pids("api") == [pid], "the API died"
        found.peak = memory(pid, "VmHWM")
        grown = found.peak - found.ready
        assert grown < GROWS_BY, f"the API grew by {grown:.0f} MiB"

    drawn = uploads() | others()
    for number in _rounds(goes_on):
        _round(drawn, tried, seed=seed + number)
    health = asked(address, Request(b"GET", b"/healthz").wire(key))
    assert health == 200, "the API does not answer any more"
    return found


def _last_words(stack: Bench) -> str:
    """The end of the API's log: what failed once may not fail again when it is looked for."""
    log = stack.stack.data_dir / "logs" / "api.log"
    return log.read_text(errors="replace")[-_LAST_WORDS:]


def _rounds(goes_on: Callable[[int], bool]) -> Iterator[int]:
    number = 0
    while goes_on(number):
        yield number
        number += 1


def _round(
    drawn: st.SearchStrategy[Request], tried: Callable[[Request], None], *, seed: int
) -> None:
    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=_ROUND,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn)
    def one(request: Request) -> None:
        tried(request)

    one()


def main(arguments: list[str] | None = None) -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.mutations", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="told at the start")
    given_words: Any = parser.parse_args(arguments)
    print(f"mutations: {given_words.minutes:g} minutes, --seed {given_words.seed}", flush=True)
    with bench(workers=1) as stack:
        stack.api.post("/api/agents", json={"id": "sales", "senders": ["+15005550006"]})
        ends = time.monotonic() + given_words.minutes * 60
        try:
            found = run(stack, lambda _: time.monotonic() < ends, seed=given_words.seed)
        except AssertionError as error:
            print(f"✗ {error}")
            return 1
    statuses = ", ".join(f"{status}: {n:,}" for status, n in sorted(found.answers.items()))
    print(
        f"✓ {found.answers.total():,} spoilt requests, no 5xx ({statuses}); the API's memory "
        f"{found.ready:.0f} MiB when ready, {found.peak:.0f} MiB at its peak"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

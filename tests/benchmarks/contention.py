"""One agent at 5 a second, four processes that contend for its slots.

Each process asks for a slot, waits for it and notes when it would write. The baseline is the usual
counter in Redis for each second (INCR, EXPIRE), asked again until it lets one through.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence

from redis import Redis

from shared.throttle import Throttle
from tests.benchmarks.row import Row, within
from tests.benchmarks.world import world
from tests.support.embedded import Servers

PROCESSES, RATE = 4, 5
#: A violation is more than RATE starts in so many seconds: 30 ms are the clock's.
WINDOW = 0.97
#: Seconds until all processes have started, so that all contend from the first slot on.
STARTS_WITHIN = 3.0


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """Starts against what is allowed, and the most starts in a window."""
    seconds = 4.0 if quick else 20.0
    achieved, most, theirs = [], [], []
    with world() as servers:
        for _ in range(1 if quick else min(rounds, 3)):
            ours = _starts(servers, "throttle", seconds)
            fixed = _starts(servers, "window", seconds)
            achieved.append((_rate(ours), float(RATE)))
            most.append((float(_most(ours)), float(RATE)))
            theirs.append(_most(fixed))
    note = f"{PROCESSES} processes; a counter for each second let {max(theirs)} through"
    rate = within("one agent × 5/s, contended: rate", achieved, unit="starts/s", most=1)
    row = within("one agent × 5/s, contended: most in 0.97 s", most, unit="starts", most=1)
    good = rate.ratio >= 0.97
    return [
        Row(**vars(rate) | {"target": "≥ 0.97, ≤ 1", "met": good and rate.ratio <= 1}),
        Row(**vars(row) | {"note": note, "met": row.spread[1] <= 1}),
    ]


def _starts(servers: Servers, method: str, seconds: float) -> list[float]:
    """When each start happened, of all processes, after the first second and a half."""
    began = time.time() + STARTS_WITHIN
    command = [
        *(sys.executable, "-m", "tests.benchmarks.contention", "--url", servers.redis_url),
        *("--method", method, "--agent", f"{method}-{began}"),
        *("--start", str(began), "--until", str(began + seconds)),
    ]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    starts = sorted(at for one in processes for at in json.loads(one.communicate()[0]))
    return [at for at in starts if at >= starts[0] + 1.5]


def _rate(starts: Sequence[float]) -> float:
    return (len(starts) - 1) / (starts[-1] - starts[0])


def _most(starts: Sequence[float]) -> int:
    return max(
        sum(1 for at in starts[i : i + 50] if at - first < WINDOW) for i, first in enumerate(starts)
    )


def main() -> None:
    """Contend until the time is over; print the starts."""
    parser = argparse.ArgumentParser()
    for option in ("--url", "--method", "--agent"):
        parser.add_argument(option)
    for option in ("--start", "--until"):
        parser.add_argument(option, type=float)
    given = parser.parse_args()
    redis = Redis.from_url(given.url, decode_responses=True)
    starts: list[float] = []
    throttle = Throttle(redis)
    time.sleep(max(0.0, given.start - time.time()))
    while time.time() < given.until:
        if given.method == "throttle":
            time.sleep(throttle.reserve(given.agent, RATE))
        else:
            _wait_for_the_window(redis, given.agent)
        starts.append(time.time())
    print(json.dumps(starts))


def _wait_for_the_window(redis: "Redis", agent: str) -> None:
    while True:
        key = f"window:{agent}:{int(time.time())}"
        with redis.pipeline() as pipe:
            pipe.incr(key)
            pipe.expire(key, 2)
            count, _ = pipe.execute()
        if count <= RATE:
            return
        time.sleep(0.01)


if __name__ == "__main__":
    main()

"""Segments counted, against Twilio's own calculator from npm: as fast as may be, and equal.

Needs Node and, in a folder that CALCULATOR names, `npm install sms-segments-calculator@1.3.0`;
skipped without. By hand: CALCULATOR=/tmp/there python -m tests.benchmarks --only calculator
"""

import json
import os
import random
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from shared.domain.segments import measure as measured
from tests.benchmarks.row import Row, absent, faster
from tests.benchmarks.segments import EMOJI, EXTENSION, PLAIN

NAME = "segments counted, Twilio's calculator"
ALPHABETS = (PLAIN, PLAIN + EXTENSION, PLAIN + "àéßÄ€", PLAIN + EMOJI, "日本語のテキスト" + EMOJI)
PROGRAM = """
const { SegmentedMessage } = require('sms-segments-calculator')
const texts = JSON.parse(require('node:fs').readFileSync(0, 'utf8'))
for (const text of texts.slice(0, 500)) new SegmentedMessage(text).segmentsCount
const began = process.hrtime.bigint()
const counts = texts.map((text) => new SegmentedMessage(text).segmentsCount)
console.log(JSON.stringify([Number(process.hrtime.bigint() - began) / 1e9, counts]))
"""


def measure(rounds: int, quick: bool) -> Sequence[Row]:
    """Texts per second, random texts, every count equal."""
    folder = Path(os.environ.get("CALCULATOR", ""), "node_modules", "sms-segments-calculator")
    if shutil.which("node") is None or not folder.is_dir():
        return [absent(NAME, target="≥ 30", note="needs Node and the npm package: CALCULATOR=…")]
    count = 2_000 if quick else 20_000
    pairs = [_compared(_texts(count, seed), folder.parents[1]) for seed in range(rounds)]
    note = f"{rounds * count:,} random texts, every count equal"
    return [faster(NAME, pairs, unit="texts/s", target=30, note=note)]


def _compared(texts: Sequence[str], folder: Path) -> tuple[float, float]:
    command = ["node", "-e", PROGRAM]
    given = json.dumps(texts).encode()
    answer = subprocess.run(command, input=given, cwd=folder, capture_output=True, check=True)
    theirs, counts = json.loads(answer.stdout)
    began = time.perf_counter()
    ours = [measured(text).segments for text in texts]
    passed = time.perf_counter() - began
    assert ours == counts, "the calculator counts otherwise"
    return len(texts) / passed, len(texts) / theirs


def _texts(count: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [
        "".join(chance.choices(chance.choice(ALPHABETS), k=chance.randrange(1, 400)))
        for _ in range(count)
    ]

"""A toy provider on the kit: JSON in, a bearer token, one callback signed by HMAC of its body."""

import asyncio
import hmac
import random
from typing import NamedTuple

import orjson

from deploy.simulators.kit import admin, faults
from deploy.simulators.kit.faults import Answer
from deploy.simulators.kit.http_client import Client, Post
from deploy.simulators.kit.http_server import Request
from deploy.simulators.kit.log import Log
from deploy.simulators.kit.timer_grid import Timeline

TOKEN = "toy-token"


class Create(NamedTuple):
    """One create."""

    to: str
    answer: str
    accepted: bool


class Told(NamedTuple):
    """One try to post a callback."""

    to: str
    answer: str


def signature(body: bytes) -> str:
    return hmac.digest(TOKEN.encode(), body, "sha256").hex()


class Toy:
    """A message's fault is the one it asks for, or drawn by `rates`."""

    def __init__(self, rates: dict[Answer, float] | None = None, *, slow: float = 0) -> None:
        self.rates, self.slow, self.chance = rates or {}, slow, random.Random(0)
        self.timeline = Timeline(asyncio.get_running_loop())
        self.client = Client(lambda: 4)
        self.kept = Log[Create, Told]()

    def route(self, request: Request) -> None:
        if request.path == "/log":
            admin.answer(request, lambda asked: self.kept.creates(*admin.page_asked(asked)))
        elif request.path == "/callbacks":
            admin.answer(request, lambda asked: self.kept.callbacks(*admin.page_asked(asked)))
        elif request.header("Authorization") != f"Bearer {TOKEN}":
            self.refuse(request, 401)
        else:
            self.create(request, orjson.loads(request.body))

    def create(self, request: Request, order: dict[str, str]) -> None:
        how = Answer(order.get("fault") or faults.draw(self.chance, self.rates, Answer.CREATED))
        self.kept.entries.append(Create(order["to"], how.value, how.accepts))
        made = orjson.dumps({"id": len(self.kept.entries), "text": order["text"]})
        self.timeline.after(self.slow, lambda _: self.give(request, how, made), None)
        if how.accepts:
            self.timeline.after(self.slow, self.call_back, order)

    def give(self, request: Request, how: Answer, made: bytes) -> None:
        faults.give(request, how, 202, made, refuse=lambda status: self.refuse(request, status))

    def call_back(self, order: dict[str, str]) -> None:
        body = orjson.dumps({"to": order["to"], "status": "delivered"})
        headers = {"Content-Type": "application/json", "X-Toy-Signature": signature(body)}
        self.client.send(Post(order["callback"], body, headers, lambda out: self.told(order, out)))

    def told(self, order: dict[str, str], outcome: object) -> None:
        self.kept.posts.append(Told(order["to"], str(outcome)))

    def refuse(self, request: Request, status: int) -> None:
        request.answer(status, orjson.dumps({"error": status}), b"Retry-After: 3\r\n")

    def close(self) -> None:
        self.timeline.close()
        self.client.close()

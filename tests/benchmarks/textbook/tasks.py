"""The baseline's tasks. Settings come from TEXTBOOK_* variables."""

import csv
import io
import os
import re
import threading
from typing import Any

import psycopg
from celery import Celery, Task  # the baseline has an app of its own
from redis import Redis
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

DATABASE_URL = os.environ.get("TEXTBOOK_DATABASE_URL", "")
REDIS_URL = os.environ.get("TEXTBOOK_REDIS_URL", "redis://127.0.0.1/0")
CARRIER_URL = os.environ.get("TEXTBOOK_CARRIER_URL", "")
ACCOUNT = os.environ.get("TEXTBOOK_ACCOUNT", "")
TOKEN = os.environ.get("TEXTBOOK_TOKEN", "")
PUBLIC_URL = os.environ.get("TEXTBOOK_PUBLIC_URL", "")
RATE = 5

SCHEMA = """
    CREATE TABLE IF NOT EXISTS textbook_message (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, phone text UNIQUE, sender text,
        body text, status text NOT NULL DEFAULT 'queued', sid text UNIQUE, error_code text,
        updated_at timestamptz NOT NULL DEFAULT now());
"""
app = Celery("textbook", broker=REDIS_URL)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    task_default_queue="textbook",
    worker_prefetch_multiplier=4,
    broker_transport_options={"global_keyprefix": "textbook:"},
)
_own = threading.local()
_redis: Any = Redis.from_url(REDIS_URL)
#: Seconds to wait for the agent's next start; GCRA, one slot each 1 / rate.
_next_slot = _redis.register_script("""
    local t = redis.call('TIME')
    local now = t[1] + t[2] / 1000000
    local free = tonumber(redis.call('GET', KEYS[1]) or '0')
    if free > now then return tostring(free - now) end
    redis.call('SET', KEYS[1], string.format('%.6f', math.max(free, now) + ARGV[1]), 'EX', 10)
    return '0'
""")


@app.task
def import_file(content: str, template: str, senders: list[str]) -> None:
    """Validate and insert each row, then one task for each recipient."""
    made = []
    with _connection().transaction():
        for n, row in enumerate(csv.DictReader(io.StringIO(content))):
            if not re.fullmatch(r"\+1\d{10}", row["phone"].strip()):
                continue
            body = template.format(**row)
            found = _connection().execute(
                "INSERT INTO textbook_message (phone, sender, body) VALUES (%s, %s, %s) "
                "ON CONFLICT DO NOTHING RETURNING id",
                (row["phone"].strip(), senders[n % len(senders)], body),
            )
            made += [id_ for (id_,) in found]
    for message_id in made:
        send.delay(message_id)


@app.task(bind=True, max_retries=None)
def send(self: "Task[..., None]", message_id: int) -> None:
    """One recipient: wait for the agent's turn, take the row, call, write the outcome down."""
    database = _connection()
    query = "SELECT phone, sender, body FROM textbook_message WHERE id = %s AND status = 'queued'"
    row = database.execute(query, (message_id,)).fetchone()
    if row is None:
        return
    phone, sender, body = row
    wait = float(_next_slot(keys=[f"textbook:slot:{sender}"], args=[1 / RATE]))
    if wait:
        raise self.retry(countdown=wait)
    taken = database.execute(
        "UPDATE textbook_message SET status = 'sending', updated_at = now() "
        "WHERE id = %s AND status = 'queued'",
        (message_id,),
    )
    if not taken.rowcount:
        return
    created = _client().messages.create(
        to=phone, from_=sender, body=body, status_callback=f"{PUBLIC_URL}/callback"
    )
    database.execute(
        "UPDATE textbook_message SET status = 'accepted', sid = %s, updated_at = now() "
        "WHERE id = %s",
        (created.sid, message_id),
    )


@app.task(bind=True, max_retries=20)
def apply_callback(self: "Task[..., None]", sid: str, status: str, code: str | None) -> None:
    """One callback: raise the message's status, never lower it."""
    changed = _connection().execute(
        "UPDATE textbook_message SET status = %s, error_code = %s, updated_at = now() "
        "WHERE sid = %s AND status <> 'delivered' RETURNING id",
        (status, code, sid),
    )
    if not changed.rowcount and status == "delivered":
        raise self.retry(countdown=1)  # it came before the answer was written down


def _connection() -> "psycopg.Connection[Any]":
    if not hasattr(_own, "connection"):
        _own.connection = psycopg.connect(DATABASE_URL, autocommit=True)
    return _own.connection


def _client() -> Any:
    if not hasattr(_own, "client"):
        http_client = TwilioHttpClient(timeout=10)
        _own.client = Client(ACCOUNT, TOKEN, http_client=http_client)
        _own.client.api.base_url = CARRIER_URL
    return _own.client

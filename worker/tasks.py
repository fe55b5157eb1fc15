"""All the worker does. A job comes off a queue; one function handles it."""

from shared.queue.handles import handles
from shared.queue.jobs import ApplyReceipts, ComposeOpeners, SendMessages
from worker import compose, receipts, send

send_messages = handles(SendMessages, send.deliver)
compose_openers = handles(ComposeOpeners, compose.compose)
apply_receipts = handles(ApplyReceipts, receipts.apply)

"""All that the worker does: each kind of job, and the one function that handles it."""

from shared.queue.handles import handles
from shared.queue.jobs import ApplyReceipts, ComposeOpeners, SendMessages
from worker.compose import openers
from worker.receive import receipts
from worker.send import deliver

send_messages = handles(SendMessages, deliver.deliver)
compose_openers = handles(ComposeOpeners, openers.compose)
apply_receipts = handles(ApplyReceipts, receipts.apply)

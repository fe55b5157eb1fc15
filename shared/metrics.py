"""The Prometheus metrics. Labels are closed sets: never a number, a campaign's name or a text.

Each process counts its own events. On one machine they share PROMETHEUS_MULTIPROC_DIR, and the
API's /metrics shows the sums, and the gauges that it reads from Postgres.
"""

from prometheus_client import Counter, Histogram

publish_failures = Counter("volley_publish_failures_total", "Jobs that could not be published")
dispatch_tick = Histogram(
    "volley_dispatch_tick_seconds",
    "One tick of the dispatcher",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
released = Counter("volley_released_total", "Messages hinted to workers")
claims = Counter("volley_claims_total", "Messages claimed, by verdict", ["verdict"])
sends = Counter("volley_sends_total", "Calls to a provider, by outcome", ["outcome"])
late = Counter("volley_late_total", "Messages that missed their slot")
callbacks = Counter("volley_callbacks_total", "Callbacks, by answer", ["answer"])
connections_closed = Counter(
    "volley_connections_closed_total", "Connections to the API that were closed, by why", ["why"]
)
receipts = Counter("volley_receipts_applied_total", "Callbacks applied from the inbox")
loop_failures = Counter("volley_loop_failures_total", "Failures of a loop that went on", ["loop"])

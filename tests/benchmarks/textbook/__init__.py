"""The baseline: the same job as a competent engineer writes it in a day with Celery.

One task for each recipient, `retry(countdown)` on a limiter in Redis, the SDK's own client, one
commit for each change, one task for each callback. Nothing is slowed down on purpose: prepared
statements without an ORM, a client and a connection for each thread, late acknowledgement.
"""

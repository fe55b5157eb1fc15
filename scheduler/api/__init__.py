"""The former name of `scheduler.http`, for `python -m scheduler.api`."""

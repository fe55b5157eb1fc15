"""The messages of an import, as they begin: with their words, or planned to get them."""

from typing import Final

#: In COPY's text format; `status` is ready with `due_at` and the words, or planned with
#: `compose_at`.
MESSAGES: Final = """
    COPY message (id, campaign_id, agent_key, recipient_id, status, due_at, compose_at, body, cuts,
                  encoding, segments) FROM STDIN
"""

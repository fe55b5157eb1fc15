"""Whether the stack's API answers."""

import http.client
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from deploy.local.layout import address
from deploy.local.plan import Plan
from deploy.local.servers.embedded import last_words
from deploy.local.system import logs

ASK_EVERY_SECONDS = 0.1
SLOW_SECONDS = 30.0


def api_ready(plan: Plan, *, say: Callable[[str], None]) -> Callable[[], bool]:
    """A question to ask often: does /readyz say yes? If it takes long, it says where to look."""
    began = asked = time.monotonic()
    told = False

    def ready() -> bool:
        nonlocal asked, told
        present = time.monotonic()
        if present - asked < ASK_EVERY_SECONDS:
            return False
        asked = present
        if present - began > SLOW_SECONDS and not told:
            told = True
            log = logs.path(plan.places, "api")
            say(f"The API does not answer yet: {last_words(log)} (more in {log})")
        return answers(address(plan.layout.http_port), "/readyz")

    return ready


def answers(base_url: str, path: str) -> bool:
    """Whether GET gives 200 within two seconds."""
    place = urlsplit(base_url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()

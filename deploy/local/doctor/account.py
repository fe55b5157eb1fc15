"""The account at Twilio: are the credentials there, do they open it, can it call us back?"""

import base64
import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

from deploy.local.doctor.finding import Finding, fail, ok, warn
from shared.settings import Settings

REAL_API = "https://api.twilio.com"
PATIENCE_SECONDS = 3
LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1", "0.0.0.0"}


def account(chosen: Settings) -> Iterator[Finding]:
    """Credentials complete, and good for the account. Nothing is asked when it is simulated."""
    if _simulated(chosen):
        yield ok("account", "SIMULATED: without VOLLEY_TWILIO_ACCOUNT_SID nothing is really sent")
        return
    missing = list(_missing(chosen))
    yield from missing
    if not missing:
        yield _asked(chosen)


def public_url(chosen: Settings) -> Finding:
    """Callbacks must be able to reach us from where the carrier is."""
    host = urlsplit(chosen.public_url or "").hostname
    here = host is None or host in LOOPBACK_HOSTS
    if _simulated(chosen) or not here:
        return ok("public url", chosen.public_url or "on this machine, as the simulator is")
    if urlsplit(chosen.twilio_api_url or REAL_API).hostname in LOOPBACK_HOSTS:
        return ok("public url", "on this machine, as the API at VOLLEY_TWILIO_API_URL is")
    return fail(
        "public url",
        "Twilio cannot call this machine back, so launching is refused",
        fix="set VOLLEY_PUBLIC_URL to an https address that leads here",
    )


def _simulated(chosen: Settings) -> bool:
    """Whether a simulator stands in: the one we were told of, or that which `volley up` brings."""
    return chosen.simulated or not chosen.carrier_given


def _missing(chosen: Settings) -> Iterator[Finding]:
    if not chosen.twilio_account_sid:
        yield fail("account", "no account", fix="set VOLLEY_TWILIO_ACCOUNT_SID")
    if not chosen.auth_tokens:
        yield fail(
            "account",
            "no auth token, so callbacks cannot be verified",
            fix="set VOLLEY_TWILIO_AUTH_TOKEN",
        )
    if bool(chosen.twilio_api_key) != bool(chosen.twilio_api_secret):
        yield fail(
            "account",
            "half an API key",
            fix="set both VOLLEY_TWILIO_API_KEY and VOLLEY_TWILIO_API_SECRET, or neither",
        )


def _asked(chosen: Settings) -> Finding:
    """One GET of the account itself."""
    try:
        status, answer = _get(chosen)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return fail(
            "account",
            f"the API does not answer: {type(error).__name__}",
            fix="check the way out of this network, and VOLLEY_TWILIO_API_URL",
        )
    if status in {http.client.UNAUTHORIZED, http.client.FORBIDDEN}:
        return fail("account", "the credentials are refused", fix="correct VOLLEY_TWILIO_*")
    if status != http.client.OK:
        return warn("account", f"the API answers {status}", fix="try again later")
    state = str(answer.get("status", "active"))
    if state != "active":
        return fail("account", f"the account is {state}", fix="see Twilio's console")
    return ok("account", "active, and the credentials open it")


def _get(chosen: Settings) -> tuple[int, dict[str, object]]:
    place = urlsplit(chosen.twilio_api_url or REAL_API)
    secure = place.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(place.hostname or "", place.port, timeout=PATIENCE_SECONDS)
    try:
        path = f"{place.path}/2010-04-01/Accounts/{chosen.twilio_account_sid}.json"
        connection.request("GET", path, headers={"Authorization": _authorization(chosen)})
        response = connection.getresponse()
        body = response.read()
        found = json.loads(body) if response.status == http.client.OK else {}
        return response.status, found if isinstance(found, dict) else {}
    finally:
        connection.close()


def _authorization(chosen: Settings) -> str:
    user, password = chosen.twilio_account_sid, chosen.auth_tokens[0]
    if chosen.twilio_api_key and chosen.twilio_api_secret:
        user, password = chosen.twilio_api_key, chosen.twilio_api_secret.get_secret_value()
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

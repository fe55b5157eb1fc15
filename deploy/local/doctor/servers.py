"""The database, the store and the broker: those that settings name, and those of our own.

All are asked at once, each for a bounded time, so that a missing one is reported within three
seconds. Imports come before: on a busy machine their time must not make a server look missing.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pydantic import SecretStr

from deploy.local.data_dirs.data_dir import server_user
from deploy.local.doctor import postgres, stores
from deploy.local.doctor.finding import Finding, Verdict, fail, ok
from deploy.local.doctor.pooler import pooler
from deploy.local.running import Stack
from deploy.local.servers.binaries import postgres_programs, valkey_program
from shared.errors import Refused
from shared.settings import Settings

DATABASE, STORE, BROKER = "VOLLEY_DATABASE_URL", "VOLLEY_REDIS_URL", "VOLLEY_BROKER_URL"
#: The libraries give up before this; looking up a server's name is what none of them bounds.
LONGEST_SECONDS = 2.8


class Check(NamedTuple):
    """What to ask, and what to name when no answer comes. `load` imports what asking needs."""

    name: str
    setting: str
    ask: Callable[[], Iterable[Finding]]
    load: Callable[[], None] = lambda: None


def servers(chosen: Settings, stack: Stack | None) -> Iterator[Finding]:
    """Whether each can be used, and is set up as we need it."""
    url = _external(chosen.database_url) or (stack and stack.database_url)
    store = _external(chosen.redis_url) or (stack and stack.redis_url)
    broker = _external(chosen.broker_url)
    checks = []
    if url:
        checks.append(_database(chosen, url))
    else:
        yield _embedded("database", "Postgres", lambda: str(postgres_programs().version))
    if store:
        checks.append(Check("store", STORE, lambda: stores.store("store", store, setting=STORE)))
    else:
        yield _embedded("store", "Valkey", lambda: valkey_program().name)
    if broker:
        checks.append(_broker(broker))
    yield from at_once(checks)


def required(chosen: Settings) -> None:
    """Raises Refused, with the fix, if a server that a setting names cannot be used now."""
    checks = []
    if url := _external(chosen.database_url):
        checks.append(_database(chosen, url, migrates=True))
    if store := _external(chosen.redis_url):
        checks.append(_reachable("store", store, STORE))
    if broker := _external(chosen.broker_url):
        checks.append(_reachable("broker", broker, BROKER))
    refuse_failed(at_once(checks))


def database_required(url: str) -> None:
    """The same for a database alone."""
    check = Check(
        "database", DATABASE, lambda: postgres.postgres(url, migrates=True), postgres.load
    )
    refuse_failed(at_once([check]))


def at_once(checks: Iterable[Check], *, seconds: float = LONGEST_SECONDS) -> list[Finding]:
    """What all of them found, in their order; one that takes longer is a server that is away."""
    checks = list(checks)
    for check in checks:
        check.load()
    deadline = time.monotonic() + seconds
    answers: list[tuple[Check, list[Finding], threading.Thread]] = []
    for check in checks:
        answer: list[Finding] = []
        answers.append((check, answer, _begun(check, answer)))
    found: list[Finding] = []
    for check, answer, thread in answers:
        thread.join(max(0.0, deadline - time.monotonic()))
        late = fail(
            check.name,
            f"does not answer within {seconds:g} s",
            fix=f"start it, or correct {check.setting}",
        )
        found += [late] if thread.is_alive() else answer
    return found


def _begun(check: Check, answer: list[Finding]) -> threading.Thread:
    thread = threading.Thread(target=lambda: answer.extend(check.ask()), daemon=True)
    thread.start()
    return thread


def refuse_failed(found: Iterable[Finding]) -> None:
    """Raises Refused with the first line that says that something does not work."""
    for finding in found:
        if finding.verdict is Verdict.FAIL:
            raise Refused("server_unusable", finding.sentence())


def _database(chosen: Settings, url: str, *, migrates: bool = False) -> Check:
    def ask() -> Iterator[Finding]:
        found = list(postgres.postgres(url, migrates=migrates))
        yield from found
        if found[-1].verdict is Verdict.OK:
            yield from pooler(url)
            yield from postgres.sealed_with_another(url, chosen.known_secret())

    return Check("database", DATABASE, ask, postgres.load)


def _reachable(name: str, url: str, setting: str) -> Check:
    if url.startswith("redis"):
        return Check(name, setting, lambda: [stores.reachable(name, url, setting=setting)])
    return Check(name, setting, lambda: [stores.broker(url)], stores.load_broker)


def _broker(url: str) -> Check:
    if url.startswith("redis"):
        return Check("broker", BROKER, lambda: stores.store("broker", url, setting=BROKER))
    return _reachable("broker", url, BROKER)


def _embedded(check: str, product: str, version: Callable[[], str]) -> Finding:
    """Whether an embedded server could run; it is not started for that."""
    try:
        server_user()
        found = version()
    except Refused as refusal:
        return fail(check, "cannot be embedded here", fix=refusal.message)
    return ok(check, f"embedded {product} ({found}), which volley up starts; not running now")


def _external(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None

"""Agents' own credentials at rest: sealed with SECRET_KEY, opened only to make a call."""

import base64
import hashlib
from functools import cache

import orjson
from cryptography.fernet import Fernet, InvalidToken

from shared.errors import Misconfigured
from shared.opaque import Json
from shared.settings import settings


def seal(value: Json) -> bytes:
    """Encrypt a small JSON document."""
    return _fernet().encrypt(orjson.dumps(value))


def unseal(sealed: bytes) -> Json:
    """Decrypt the result of `seal`. Raises Misconfigured when SECRET_KEY has changed since."""
    try:
        opened: Json = orjson.loads(_fernet().decrypt(sealed))
    except InvalidToken as error:
        raise Misconfigured(
            "wrong_secret_key",
            "An agent's credentials were sealed with another VOLLEY_SECRET_KEY: set the former "
            "key, or give the agent its credentials again.",
        ) from error
    return opened


def opens(sealed: bytes, key: str) -> bool:
    """Whether `key` is the SECRET_KEY that made `sealed`."""
    try:
        _made_of(key).decrypt(sealed)
    except InvalidToken:
        return False
    return True


@cache
def _fernet() -> Fernet:
    return _made_of(settings().secret())


def _made_of(key: str) -> Fernet:
    digest = hashlib.sha256(key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))

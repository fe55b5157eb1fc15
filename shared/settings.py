"""The one reader of the environment. Every setting is here, and in deploy/env.example."""

import os
import secrets
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)


class SecretFiles(PydanticBaseSettingsSource):
    """Reads VOLLEY_<NAME>_FILE: the usual way of containers to hand over a secret."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        path = self._environment().get(f"{field_name}_file")
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text().strip(), field_name, False
        except OSError as error:
            raise ValueError(
                f"VOLLEY_{field_name.upper()}_FILE: cannot read {path}: {error.strerror}"
            ) from error

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(f, name)[0] for name, f in self._fields()}
        return {name: value for name, value in found.items() if value is not None}

    def _fields(self) -> list[tuple[str, FieldInfo]]:
        return list(self.settings_cls.model_fields.items())

    @staticmethod
    def _environment() -> dict[str, str]:
        prefix = "VOLLEY_"
        return {k[len(prefix) :].lower(): v for k, v in os.environ.items() if k.startswith(prefix)}


def _floats(text: str) -> tuple[float, ...]:
    return tuple(float(piece) for piece in text.split(","))


class Settings(BaseSettings):
    """Read from VOLLEY_* variables, a .env file, and VOLLEY_*_FILE for secrets."""

    model_config = SettingsConfigDict(
        env_prefix="VOLLEY_",
        # VOLLEY_ENV_FILE names another file; empty, none is read
        env_file=os.environ.get("VOLLEY_ENV_FILE", ".env") or None,
        extra="ignore",
        env_ignore_empty=True,
    )

    database_url: SecretStr | None = None
    redis_url: SecretStr | None = None
    broker_url: SecretStr | None = None
    data_dir: Path = Path(".volley")
    api_key: SecretStr | None = None
    secret_key: SecretStr | None = None
    public_url: str | None = None

    twilio_account_sid: str | None = None
    twilio_auth_token: SecretStr | None = None
    twilio_api_key: str | None = None
    twilio_api_secret: SecretStr | None = None
    twilio_api_url: str | None = None

    #: set by the supervisor for its children while the local simulator stands in for the carrier
    carrier_url: str | None = None
    carrier_account_sid: str | None = None
    carrier_auth_token: SecretStr | None = None
    http_host: str = "127.0.0.1"
    http_port: int = 8080

    default_region: str = Field(default="US", pattern="^[A-Z]{2}$")
    http_timeout: Annotated[tuple[float, float], NoDecode] = (3.05, 10.0)
    fence: float = Field(default=3.0, gt=0)
    reconcile_after: float = Field(default=30.0, gt=0)
    reconcile_checks: Annotated[tuple[float, ...], NoDecode] = (30.0, 120.0, 900.0)
    poll_after: float = Field(default=3600.0, gt=0)
    release_stale_after: float = Field(default=30.0, ge=1)
    pause_on_failures: float = Field(default=0.5, ge=0, le=1)
    pace_margin: float = Field(default=0.025, ge=0.015, le=0.5)
    on_unknown: Literal["park", "resend"] = "park"
    allow_private_urls: bool = False
    max_upload_mb: int = Field(default=512, ge=1)
    log_format: Literal["console", "json"] | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, SecretFiles(settings_cls), dotenv_settings

    @field_validator("http_timeout", "reconcile_checks", mode="before")
    @classmethod
    def _comma_list(cls, value: object) -> object:
        return _floats(value) if isinstance(value, str) else value

    @field_validator("public_url", "twilio_api_url")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError(
                f"{value!r} is not an http(s) address, such as https://sms.example.org"
            )
        return value.rstrip("/")

    @model_validator(mode="after")
    def _budgets_agree(self) -> Self:
        budget = self.fence + self.http_timeout[1]
        if self.reconcile_after <= budget:
            raise ValueError(
                f"VOLLEY_RECONCILE_AFTER ({self.reconcile_after:g} s) must be more than the fence "
                f"plus the read time-out ({budget:g} s), or calls in flight would be looked for"
            )
        if list(self.reconcile_checks) != sorted(self.reconcile_checks):
            raise ValueError("VOLLEY_RECONCILE_CHECKS must rise, as in 30,120,900")
        if self.reconcile_checks[0] < self.reconcile_after:
            raise ValueError(
                "VOLLEY_RECONCILE_CHECKS must not begin before VOLLEY_RECONCILE_AFTER "
                f"({self.reconcile_after:g} s)"
            )
        return self

    @property
    def simulated(self) -> bool:
        """True when no real carrier is configured and the local simulator stands in."""
        return self.twilio_account_sid is None and self.twilio_api_url is None

    @property
    def auth_tokens(self) -> tuple[str, ...]:
        """Auth tokens of the account in use: the first signs requests, all verify callbacks.

        The simulator's while it stands in, and never beside a real account's.
        """
        token = self.carrier_auth_token if self.simulated else self.twilio_auth_token
        if token is None:
            return ()
        return tuple(t.strip() for t in token.get_secret_value().split(",") if t.strip())

    @property
    def callback_base(self) -> str:
        """The base of StatusCallback addresses and signature checks, never taken from a request."""
        return self.public_url or f"http://127.0.0.1:{self.http_port}"

    def secret(self) -> str:
        """The key that encrypts agents' own credentials; made on first use beside embedded data."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
        return _kept_secret(self.data_dir / "secret_key")

    def first_api_key(self) -> str:
        """The first admin key; made on first use, 0600."""
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        return _kept_secret(self.data_dir / "api_key")

    def known_first_api_key(self) -> str | None:
        """The first admin key if it was made; writes nothing, whoever asks and however often."""
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        return _read_secret(self.data_dir / "api_key")


def _read_secret(path: Path) -> str | None:
    """The secret that was kept there; None while there is none, or none that can be read."""
    try:
        return path.read_text().strip() or None
    except OSError:
        return None


def _kept_secret(path: Path) -> str:
    """A random secret that is made once, by whichever process comes first; 0600."""
    if known := _read_secret(path):
        return known
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        os.link(made, path)  # fails when another process was first; never a half-written secret
    except FileExistsError:
        pass
    finally:
        made.unlink()
    return path.read_text().strip()


@cache
def settings() -> Settings:
    """The process's settings, read once."""
    return Settings()

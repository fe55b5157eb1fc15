"""The one reader of the environment. Every setting is here, and in deploy/env.example."""

import math
import os
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from shared.given import addresses, kept, names
from shared.given.faults import Fault, UnusableSettings
from shared.given.secret_files import SecretFiles

__all__ = ["Fault", "Settings", "UnusableSettings", "load", "settings", "strange_names"]

#: An attacker can find a shorter key by trial.
SHORTEST_SECRET_KEY: Final = 15
#: VOLLEY_ names that are not settings: the name of the .env file, the mark that the supervisor puts
#: on its children, and the token of the simulator's command.
_NO_SETTINGS: Final = {"VOLLEY_ENV_FILE", "VOLLEY_STACK_CHILD", "VOLLEY_CARRIER_AUTH_TOKEN"}


def _floats(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(piece) for piece in text.split(","))
    except ValueError as error:
        raise ValueError("it must be seconds with commas between them, as in 3.05,10") from error
    if not all(math.isfinite(seconds) and seconds > 0 for seconds in found):
        raise ValueError("its seconds must be more than 0")
    return found


class Settings(BaseSettings):
    """Read from VOLLEY_* variables, a .env file, and VOLLEY_*_FILE for secrets."""

    model_config = SettingsConfigDict(
        env_prefix="VOLLEY_",
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,  # a password may be in it
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

    #: set by the supervisor for its children, with the account and the address of its simulator
    simulated: bool = False
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=1, le=65535)

    default_region: str = "US"
    http_timeout: Annotated[tuple[float, float], NoDecode] = (3.05, 10.0)
    fence: float = Field(default=3.0, gt=0, allow_inf_nan=False)
    reconcile_after: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    reconcile_checks: Annotated[tuple[float, ...], NoDecode] = (30.0, 120.0, 900.0)
    poll_after: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    release_stale_after: float = Field(default=30.0, ge=1, allow_inf_nan=False)
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
        return (
            init_settings,
            env_settings,
            SecretFiles(settings_cls, _everything_given()),
            dotenv_settings,
        )

    @field_validator("http_timeout", "reconcile_checks", mode="before")
    @classmethod
    def _comma_list(cls, value: object, field: ValidationInfo) -> object:
        found = _floats(value) if isinstance(value, str) else value
        if field.field_name == "http_timeout" and isinstance(found, tuple) and len(found) != 2:
            raise ValueError("it must be two times, to connect and to read, as in 3.05,10")
        return found

    @field_validator("database_url", "redis_url", "broker_url")
    @classmethod
    def _servers(cls, value: SecretStr | None, field: ValidationInfo) -> SecretStr | None:
        judge = _JUDGES[str(field.field_name)]
        return value and SecretStr(judge(value.get_secret_value()))

    @field_validator("public_url", "twilio_api_url")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        return value and addresses.web(value)

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < SHORTEST_SECRET_KEY:
            raise ValueError(
                f"it is too short: {SHORTEST_SECRET_KEY} characters at least, such as what "
                "'openssl rand -base64 32' prints"
            )
        return value

    @field_validator("api_key")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value() if value else ""
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("a request can carry neither blanks nor other than ASCII letters")
        return value

    @field_validator("default_region")
    @classmethod
    def _country(cls, value: str) -> str:
        if len(value) != 2 or not value.isascii() or not value.isupper():
            raise ValueError("it must be a country's two capital letters, such as US")
        return value

    @field_validator("data_dir")
    @classmethod
    def _home(cls, value: Path) -> Path:
        try:
            return value.expanduser()
        except RuntimeError as error:
            raise ValueError(f"{value} begins with the home of nobody here") from error

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

    @model_validator(mode="after")
    def _simulated_is_true(self) -> Self:
        host = urlsplit(self.twilio_api_url or "").hostname or ""
        if self.simulated and (not host or f".{host}".endswith(".twilio.com")):
            raise ValueError(
                "VOLLEY_SIMULATED says that nothing is really sent, so VOLLEY_TWILIO_API_URL must "
                "be the address of a simulator; set by hand, remove VOLLEY_SIMULATED"
            )
        return self

    @property
    def carrier_given(self) -> bool:
        """Whether a carrier, real or simulated, is configured; if not, `volley up` starts one."""
        return self.twilio_account_sid is not None or self.twilio_api_url is not None

    @property
    def auth_tokens(self) -> tuple[str, ...]:
        """Auth tokens of the account: the first signs requests, all of them verify callbacks."""
        token = self.twilio_auth_token
        if token is None:
            return ()
        return tuple(t.strip() for t in token.get_secret_value().split(",") if t.strip())

    @property
    def callback_base(self) -> str:
        """The base of StatusCallback addresses and signature checks; no request can change it."""
        return self.public_url or f"http://127.0.0.1:{self.http_port}"

    def secret(self) -> str:
        """The key that encrypts agents' credentials; made on first use in VOLLEY_DATA_DIR."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
        return kept.secret(self.data_dir / "secret_key")

    def known_secret(self) -> str | None:
        """The same key, or None; creates no file."""
        if self.secret_key is not None:
            return self.secret_key.get_secret_value()
        return kept.read(self.data_dir / "secret_key")

    def first_api_key(self) -> str:
        """The first admin key; made on first use, 0600."""
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        return kept.secret(self.data_dir / "api_key")

    def known_first_api_key(self) -> str | None:
        """The first admin key if it exists; creates no file."""
        if self.api_key is not None:
            return self.api_key.get_secret_value()
        return kept.read(self.data_dir / "api_key")


_JUDGES: Final[Mapping[str, Callable[[str], str]]] = {
    "database_url": addresses.postgres,
    "redis_url": addresses.redis,
    "broker_url": addresses.broker,
}


def load() -> Settings:
    """The settings as the environment has them now. Raises UnusableSettings with all faults."""
    try:
        faults = [_misspelt(name, meant) for name, meant in strange_names().items() if meant]
        path = _env_file()
        if faults:
            raise UnusableSettings(faults)
        return Settings(_env_file=path)
    except ValidationError as error:
        raise UnusableSettings([_fault(line) for line in error.errors()]) from None


def strange_names() -> dict[str, str | None]:
    """VOLLEY_ names that are not settings, each with the most similar setting, or None."""
    variables = [f"{names.PREFIX}{field.upper()}" for field in Settings.model_fields]
    known = {*variables, *(f"{name}_FILE" for name in variables), *_NO_SETTINGS}
    return names.unknown(_everything_given(), known)


def _env_file() -> Path | None:
    """The file of VOLLEY_ENV_FILE, else .env; None when that is set to nothing."""
    named = os.environ.get("VOLLEY_ENV_FILE")
    if named and not Path(named).exists():
        raise UnusableSettings([Fault("VOLLEY_ENV_FILE", f"there is no file {named}")])
    return None if named == "" else Path(named or ".env")


def _everything_given() -> dict[str, str]:
    """Names and values of the .env file and of the environment, which wins."""
    path = _env_file()
    try:
        return (names.read_file(path) if path else {}) | dict(os.environ)
    except ValueError as error:
        raise UnusableSettings([Fault("VOLLEY_ENV_FILE", str(error))]) from error


def _misspelt(name: str, meant: str) -> Fault:
    return Fault(name, "there is no such setting", f"did you mean {meant}? Rename it, or remove it")


def _fault(error: ErrorDetails) -> Fault:
    says = error["msg"].removeprefix("Value error, ")
    name = "".join(f"VOLLEY_{str(step).upper()}" for step in error["loc"][:1])
    return Fault(name, says)


@cache
def settings() -> Settings:
    """The process's settings, read once. Raises UnusableSettings."""
    return load()

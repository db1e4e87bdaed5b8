"""Settings: `WORKBENCH_*` variables and a `.env` file in the working directory."""

from __future__ import annotations

import getpass
import logging
import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    SettingsConfigDict,
)

from workbench.errors import BadSettings

__all__ = ["Settings", "read_providers", "read_settings", "set_variables"]

_log = logging.getLogger(__name__)

_PREFIX = "WORKBENCH_"
_EMAIL = re.compile(r"[^@\s]{1,200}@[^@\s]{1,54}")
_PROVIDER = re.compile(
    r"OAUTH_(?P<name>[A-Z][A-Z0-9]*)_(?P<field>CLIENT_ID|CLIENT_SECRET|DISCOVERY_URL|TENANT|LABEL)"
)
_WITHOUT_DISCOVERY = ("google", "microsoft", "facebook", "github")
_DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_LONGEST_TIMEOUT_SECONDS = 2_147_483  # PostgreSQL counts milliseconds in 31 bits


def _absolute(path: Path) -> Path:
    """Return `path` from the root: kernels start in other folders and must find it too."""
    try:
        return Path(os.path.abspath(path.expanduser()))
    except RuntimeError:
        raise PydanticCustomError("home", "There is no home folder for its ~") from None


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise PydanticCustomError("email", "It must be an e-mail address, name@host")
    return value


def _origin(value: str) -> str:
    """Return an origin without its last slash: of what it is joined to, the slash is part."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    plain = parts.path in ("", "/") and not parts.query and not parts.fragment
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not (safe and parts.hostname and plain and "@" not in parts.netloc):
        raise PydanticCustomError(
            "origin",
            "It must be https:// and a host, as people type it, without a path; http:// only for "
            "127.0.0.1 and localhost",
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _domains(value: str) -> str:
    """Return domains in lower case, parted by single spaces."""
    found = value.lower().replace(",", " ").split()
    if not all(_DOMAIN.fullmatch(one) for one in found):
        raise PydanticCustomError("domains", "It must be domains such as example.org, by commas")
    return " ".join(found)


def _login() -> str:
    """Return an address for whoever runs this process."""
    try:
        login = "".join(getpass.getuser().split())
    except (KeyError, OSError, ImportError):  # an account without a name, as in some containers
        login = f"user{os.getuid()}"
    return f"{login}@localhost"


_Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False, le=_LONGEST_TIMEOUT_SECONDS)]


class Settings(BaseSettings):
    """What can be set; each field is the variable `WORKBENCH_<NAME>` in capitals."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    home: Annotated[Path, AfterValidator(_absolute)] = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("workbench", appauthor=False)),
        description="The folder that holds all state: the embedded database and sessions.",
    )
    database_url: SecretStr | None = Field(
        None,
        description=(
            "postgresql://user:password@host:port/database?sslmode=verify-full; "
            "without it the embedded PostgreSQL is used."
        ),
    )
    user: Annotated[str, AfterValidator(_email)] = Field(
        default_factory=_login,
        description="The e-mail address of the user who acts.",
    )
    pool_size: int = Field(5, ge=1, le=100, description="Connections kept open.")
    connect_timeout_seconds: _Seconds = Field(10, description="Wait for an answer.")
    pool_timeout_seconds: _Seconds = Field(10, description="Wait for a free connection.")
    statement_timeout_seconds: float = Field(
        600,
        ge=0,
        le=_LONGEST_TIMEOUT_SECONDS,
        allow_inf_nan=False,
        description="The longest that one statement may take; 0 for no limit.",
    )
    public_url: Annotated[str, AfterValidator(_origin)] | None = Field(
        None, description="Where people reach the dashboard: https:// and a host."
    )
    public_database_url: SecretStr | None = Field(
        None,
        description=(
            "How notebooks elsewhere reach the database, without user and password; without it "
            "what WORKBENCH_DATABASE_URL says of the host."
        ),
    )
    sign_up: Literal["invitation", "domain", "open"] = Field(
        "invitation", description="Who gets an account at the first sign-in."
    )
    sign_up_domains: Annotated[str, AfterValidator(_domains)] = Field(
        "", description="Domains of e-mail addresses, for WORKBENCH_SIGN_UP=domain."
    )
    session_idle_hours: float = Field(
        7 * 24, gt=0, le=366 * 24, description="A session that is not used ends after this."
    )
    session_hours: float = Field(
        30 * 24, gt=0, le=366 * 24, description="And after this in any case."
    )
    server: Annotated[str, AfterValidator(_origin)] | None = Field(
        None, description="A dashboard elsewhere that this machine works on; see `workbench login`."
    )
    token: SecretStr | None = Field(
        None, description="A personal access token for WORKBENCH_SERVER, for jobs."
    )


def read_settings(**given: Any) -> Settings:
    """Return the settings; `given` ones that are not None win over the environment.

    A variable that is no setting is warned of: a misspelt one would be ignored in silence.

    Raises
    ------
    BadSettings
        Names the variable and what is wrong with it, never its value.
    """
    unknown = sorted(set(given) - set(Settings.model_fields))
    if unknown:
        raise BadSettings(
            f"{_PREFIX}{unknown[0].upper()}: there is no such setting. "
            f"There are: {', '.join(Settings.model_fields)}."
        )
    try:
        _warn_of_unknown()
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        lines = [
            f"{_PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}."
            for e in error.errors(include_url=False, include_input=False)
        ]
        raise BadSettings(" ".join(lines)) from None
    except (UnicodeDecodeError, OSError):
        raise BadSettings(
            f"The file .env in {Path.cwd()} cannot be read as text. Mend it or remove it."
        ) from None
    if settings.sign_up == "domain" and not settings.sign_up_domains:
        raise BadSettings(
            f"{_PREFIX}SIGN_UP_DOMAINS: it is not set, and {_PREFIX}SIGN_UP=domain needs it."
        )
    return settings


def set_variables() -> dict[str, str]:
    """Return the variables of this process that are settings, as they are set."""
    known = {f"{_PREFIX}{field.upper()}" for field in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name.upper() in known}


def read_providers() -> dict[str, dict[str, str]]:
    """Return what is set of each provider of identities: `WORKBENCH_OAUTH_<NAME>_<FIELD>`.

    Returns
    -------
    By name, in lower case and alphabetical order: `client_id`, `client_secret` and, as set,
    `discovery_url`, `tenant`, `label`.

    Raises
    ------
    BadSettings
        Names the variable that is missing or does not fit.
    """
    found: dict[str, dict[str, str]] = {}
    for variable, value in _variables().items():
        match = _PROVIDER.fullmatch(variable.removeprefix(_PREFIX))
        if match and value:
            found.setdefault(match["name"].lower(), {})[match["field"].lower()] = value.strip()
    for name, fields in found.items():
        of_name = f"{_PREFIX}OAUTH_{name.upper()}_"
        needed = ["client_id", "client_secret"]
        needed += [] if name in _WITHOUT_DISCOVERY else ["discovery_url"]
        for field in needed:
            if field not in fields:
                raise BadSettings(
                    f"{of_name}{field.upper()}: it is not set, and others of {name} are. Set it, "
                    "or take those away."
                )
        for field, only in (
            ("tenant", name == "microsoft"),
            ("discovery_url", "discovery_url" in needed),
        ):
            if field in fields and not only:
                raise BadSettings(f"{of_name}{field.upper()}: {name} has no such setting.")
    return dict(sorted(found.items()))


def _variables() -> dict[str, str]:
    """Return every variable that begins as ours do, in capitals, of the file .env too."""
    found = {**DotEnvSettingsSource(Settings).env_vars, **EnvSettingsSource(Settings).env_vars}
    return {
        name.upper(): value or ""
        for name, value in found.items()
        if name.upper().startswith(_PREFIX)
    }


def _warn_of_unknown() -> None:
    """Log each variable that begins as ours do and is no setting."""
    known = {field.upper(): f"{_PREFIX}{field.upper()}" for field in Settings.model_fields}
    for name in _variables():
        bare = name.removeprefix(_PREFIX)
        if bare in known or _PROVIDER.fullmatch(bare):
            continue
        near = [known[other] for other in get_close_matches(bare, known, n=1)]
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known.values())}."
        _log.warning("%s is no setting of workbench and is ignored. %s", name, hint)

"""Settings: `WORKBENCH_*` variables and a `.env` file in the working directory."""

from __future__ import annotations

import getpass
import logging
import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

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

__all__ = ["Settings", "read_settings", "set_variables"]

_log = logging.getLogger(__name__)

_PREFIX = "WORKBENCH_"
_EMAIL = re.compile(r"[^@\s]{1,200}@[^@\s]{1,54}")
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
        return Settings(**{name: value for name, value in given.items() if value is not None})
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


def set_variables() -> dict[str, str]:
    """Return the variables of this process that are settings, as they are set."""
    known = {f"{_PREFIX}{field.upper()}" for field in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name.upper() in known}


def _warn_of_unknown() -> None:
    """Log each variable, of the file .env too, that begins as ours do and is no setting."""
    found = {**DotEnvSettingsSource(Settings).env_vars, **EnvSettingsSource(Settings).env_vars}
    known = {field.upper(): f"{_PREFIX}{field.upper()}" for field in Settings.model_fields}
    for name in map(str.upper, found):
        bare = name.removeprefix(_PREFIX)
        if bare == name or bare in known:
            continue
        near = [known[other] for other in get_close_matches(bare, known, n=1)]
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known.values())}."
        _log.warning("%s is no setting of workbench and is ignored. %s", name, hint)

"""Settings: `WORKBENCH_*` variables and a `.env` file in the working directory."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from workbench.errors import BadSettings

__all__ = ["Settings", "read_settings"]

_PREFIX = "WORKBENCH_"


class Settings(BaseSettings):
    """What can be set; each field is the variable `WORKBENCH_<NAME>` in capitals."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_file=".env", extra="ignore", frozen=True
    )

    home: Path = Field(
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
    user: str = Field(
        default_factory=lambda: f"{getpass.getuser()}@localhost",
        description="The e-mail address of the user who acts.",
    )
    pool_size: int = Field(5, ge=1, le=100, description="Connections kept open.")
    connect_timeout_seconds: float = Field(10, gt=0)
    pool_timeout_seconds: float = Field(10, gt=0, description="Wait for a free connection.")
    statement_timeout_seconds: float = Field(
        600, ge=0, description="The longest that one statement may take; 0 for no limit."
    )


def read_settings(**given: Any) -> Settings:
    """Return the settings; `given` ones that are not None win over the environment.

    Raises
    ------
    BadSettings
        Names the variable and what is wrong with it, never its value.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        lines = [
            f"{_PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}."
            for e in error.errors(include_url=False, include_input=False)
        ]
        raise BadSettings(" ".join(lines)) from None

"""Tokens of this machine's user, by the server that they are for: one file that only they read."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from workbench.errors import BadSettings

__all__ = ["Credentials"]

_FILE = "credentials.json"


class Credentials:
    """What `workbench login` keeps.

    Parameters
    ----------
    home
        The folder of our own state; made when something is kept.
    """

    def __init__(self, home: Path) -> None:
        self._file = home / _FILE

    def find(self, server: str) -> str | None:
        """Return the token for a server, or None."""
        return self._read().get(server)

    def keep(self, server: str, token: str) -> None:
        """Keep a token instead of the one before."""
        self._write({**self._read(), server: token})

    def forget(self, server: str) -> None:
        """Forget a server's token; none is no error."""
        kept = self._read()
        if kept.pop(server, None) is not None:
            self._write(kept)

    def _read(self) -> dict[str, str]:
        try:
            descriptor = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return {}
        except OSError as failure:
            raise BadSettings(
                f"{self._file} cannot be read ({os.strerror(failure.errno or 0).lower()})."
            ) from None
        with open(descriptor, encoding="utf-8") as file:
            state = os.fstat(descriptor)
            if state.st_uid != os.getuid():
                raise BadSettings(f"{self._file} belongs to somebody else. Remove it.")
            if state.st_mode & 0o077:  # a copy or a restored backup may have lost its mode
                os.fchmod(descriptor, 0o600)
            try:
                stored = json.load(file)
                return {str(server): str(one["token"]) for server, one in stored.items()}
            except (ValueError, TypeError, KeyError, AttributeError):
                raise BadSettings(
                    f"{self._file} is damaged. Remove it and sign in again: `workbench login`."
                ) from None

    def _write(self, kept: dict[str, str]) -> None:
        """Replace the file whole, so that a crash leaves the old one or the new one."""
        stored = {server: {"token": token} for server, token in sorted(kept.items())}
        fresh = None
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # mkstemp's files are readable to their owner alone from the beginning.
            descriptor, fresh = tempfile.mkstemp(prefix=f"{_FILE}.", dir=self._file.parent)
            with open(descriptor, "w", encoding="utf-8") as file:
                json.dump(stored, file, indent=1)
                file.flush()
                os.fsync(descriptor)
            os.replace(fresh, self._file)
        except OSError as failure:
            if fresh is not None:
                Path(fresh).unlink(missing_ok=True)
            raise BadSettings(
                f"{self._file} cannot be written ({os.strerror(failure.errno or 0).lower()}). "
                "Choose another folder with WORKBENCH_HOME."
            ) from None

"""A file that the browser saves: it asks for it piece by piece."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import traitlets

from workbench.errors import Refused
from workbench.widgets.inbox import PIECE_BYTES
from workbench.widgets.rpc import Handler, Rpc

__all__ = ["Download"]

MOST_BYTES = 2**30  # a browser puts it together before it saves it


class Download(Rpc):
    """A button that saves a file as `name`.

    There is no address to fetch it from: only who is shown this widget can ask for it.

    Parameters
    ----------
    path
        Where it lies, for as long as this is shown.

    Raises
    ------
    Refused
        It is larger than a browser should be handed.
    """

    bundle = "download"

    name = traitlets.Unicode().tag(sync=True)
    size = traitlets.Int(0).tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    primary = traitlets.Bool(False).tag(sync=True)
    piece_bytes = traitlets.Int(PIECE_BYTES).tag(sync=True)

    def __init__(self, path: Path, name: str, **traits: object) -> None:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise Refused(
                f"{name} has {size / 2**20:,.0f} MB, which is more than the {MOST_BYTES // 2**20:,}"
                " MB that a page hands over. “workbench export” and “workbench archive” write "
                "files of any size."
            )
        self._path = path
        super().__init__(name=name, size=size, **traits)

    def operations(self) -> Mapping[str, Handler]:
        return {"piece": self._piece}

    async def _piece(self, args: Mapping[str, Any]) -> bytes:
        offset = args.get("offset")
        if type(offset) is not int or not 0 <= offset <= self.size:
            raise Refused(f"{self.name} has no such piece.")
        try:
            with self._path.open("rb") as file:
                file.seek(offset)
                return file.read(PIECE_BYTES)
        except FileNotFoundError:
            raise Refused(f"{self.name} is not kept any more. Make it again.") from None

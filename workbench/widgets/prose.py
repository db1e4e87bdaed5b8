"""A field for Markdown: written as text, with @ for links to records, and previewed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import traitlets

from workbench.widgets.content import Element
from workbench.widgets.rpc import Handler, Rpc
from workbench.widgets.source import Choice

__all__ = ["Prose", "Writing"]


class Writing(Protocol):
    """What texts may link to, asked of whoever keeps the records."""

    async def find(self, term: str) -> Sequence[Choice]:
        """Return records that `term` may mean, best first; their values are what links hold."""
        ...

    async def read(self, text: str) -> list[Element]:
        """Describe a text as it is read."""
        ...


class Prose(Rpc):
    """`value` is the text, as typed."""

    bundle = "prose"

    value = traitlets.Unicode("").tag(sync=True)
    description = traitlets.Unicode("").tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)

    def __init__(self, writing: Writing, **traits: object) -> None:
        self._writing = writing
        super().__init__(**traits)

    def operations(self) -> Mapping[str, Handler]:
        return {"find": self._find, "preview": self._preview}

    async def _find(self, args: Mapping[str, Any]) -> object:
        return [asdict(choice) for choice in await self._writing.find(str(args.get("term", "")))]

    async def _preview(self, args: Mapping[str, Any]) -> object:
        return await self._writing.read(str(args.get("text", "")))

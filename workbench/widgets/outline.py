"""A tree of records, such as book, story, act and scene: thousands of nodes, drawn as opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import traitlets

from workbench.widgets.rpc import Handler, Rpc

__all__ = ["Node", "OutlineTree"]


@dataclass(frozen=True)
class Node:
    """One entry of a tree. `children` None means: there are some, ask for them when opened."""

    id: str
    label: str
    kind: str = ""
    detail: str = ""
    children: Sequence[Node] | None = ()

    def as_json(self) -> dict[str, Any]:
        below = None if self.children is None else [node.as_json() for node in self.children]
        return {
            "id": self.id, "label": self.label, "kind": self.kind, "detail": self.detail,
            "children": below,
        }  # fmt: skip


class OutlineTree(Rpc):
    """An accessible tree; `selected` is the id of the chosen node, `opened` those unfolded.

    `load` is asked for the children of a node that came without them.
    """

    bundle = "outline"

    nodes = traitlets.List(traitlets.Dict()).tag(sync=True)
    selected = traitlets.Unicode("").tag(sync=True)
    opened = traitlets.List(traitlets.Unicode()).tag(sync=True)
    description = traitlets.Unicode("Outline").tag(sync=True)
    empty = traitlets.Unicode("Nothing here yet.").tag(sync=True)
    height = traitlets.Unicode("auto").tag(sync=True)

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        load: Callable[[str], Awaitable[Sequence[Node]]] | None = None,
        **traits: object,
    ) -> None:
        self._load = load
        super().__init__(nodes=[node.as_json() for node in nodes], **traits)

    def show(self, nodes: Sequence[Node]) -> None:
        """Show other nodes, keeping those open that were."""
        self.nodes = [node.as_json() for node in nodes]

    def operations(self) -> Mapping[str, Handler]:
        return {"children": self._children}

    async def _children(self, args: Mapping[str, Any]) -> object:
        found = await self._load(str(args["id"])) if self._load is not None else []
        return [node.as_json() for node in found]

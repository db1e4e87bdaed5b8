"""The base of our widgets that are made of plain ipywidgets."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets

from workbench.widgets.rpc import Rpc


class FormStyle(Rpc):
    """Brings the stylesheet of forms; shows nothing itself."""

    bundle = "style"

    def lead_to(self, field: str, *, marked: bool = True) -> None:
        """Bring a field of the form into view, with the focus where it can be mended.

        `marked` says that a problem or a conflict stands there, or is about to.
        """
        self.tell("lead", field=field, marked=marked)


class Panel(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no type information
    """A column of widgets in our look."""

    def __init__(self, children: Sequence[ipywidgets.Widget], *names: str) -> None:
        self.style_sheet = FormStyle()
        super().__init__([*children, self.style_sheet])
        for name in ("wb", *names):
            self.add_class(name)

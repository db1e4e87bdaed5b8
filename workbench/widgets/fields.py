"""One field of a form: the control for a column's kind, bound to the form's model."""

from __future__ import annotations

from typing import Any

import ipywidgets

from workbench.widgets.entry import as_text, in_words
from workbench.widgets.form_model import FormModel
from workbench.widgets.picker import ReferencePicker
from workbench.widgets.prose import Prose, Writing
from workbench.widgets.source import Choice, Column, Source


class Field:
    """`box` is what a form shows: the control, its help, its problem, and a choice if values clash.

    The model tells it what to show through `show`; it tells the model what was typed.
    """

    def __init__(
        self, column: Column, model: FormModel, source: Source, writing: Writing | None = None
    ) -> None:
        self.column, self._model, self._source = column, model, source
        self._writing = writing
        self._showing = False
        self.control = self._control()
        self.control.observe(self._typed, "value")
        self.help = _label(column.help, "wb-help")
        self.problem = _label("", "wb-problem")
        self.theirs = _label("", "wb-theirs")
        self._mine = ipywidgets.Button(description="Keep mine")
        self._take = ipywidgets.Button(description="Take theirs")
        self._mine.on_click(lambda _: model.resolve(column.field, mine=True))
        self._take.on_click(lambda _: model.resolve(column.field, mine=False))
        self._both = ipywidgets.Button(description="Use both", tooltip="Both changes, to edit on")
        self._both.on_click(lambda _: model.combine(column.field))
        self.choice = ipywidgets.HBox([self.theirs, self._mine, self._take, self._both])
        self.choice.add_class("wb-clash")
        self.box = ipywidgets.VBox([self.control, self.help, self.problem, self.choice])
        for name in ("wb-row", f"wb-row-{column.kind}", f"wb-row-of-{column.field}"):
            self.box.add_class(name)
        if column.required and column.editable:
            self.box.add_class("wb-row-required")  # the browser draws the star
        self.show()

    def show(self) -> None:
        """Bring the field in line with the model."""
        field = self.column.field
        value = self._model.values.get(field)
        self._showing = True
        try:
            self._show_value(value)
        finally:
            self._showing = False
        self.control.disabled = not self._model.may_change(self.column)
        self.problem.value = self._model.problems.get(field, "")
        clash = field in self._model.conflicts
        self.choice.layout.display = None if clash else "none"
        self._both.layout.display = None if field in self._model.combined else "none"
        theirs = in_words(self.column, self._model.stored) or "(empty)"
        self.theirs.value = f"Stored now: {theirs}" if clash else ""

    def _show_value(self, value: Any) -> None:
        field, values = self.column.field, self._model.values
        match self.control:
            case ReferencePicker():
                with self.control.hold_sync():
                    self.control.label = str(values.get(f"{field}__label") or value or "")
                    self.control.trashed = bool(values.get(f"{field}__trashed"))
                    self.control.value = None if value is None else str(value)
            case ipywidgets.Checkbox():
                self.control.value = bool(value)
            case ipywidgets.Dropdown():
                chosen = "" if value is None else str(value)
                if chosen not in {option for _, option in self.control.options}:
                    # an option of older days stays choosable
                    self.control.options = (*self.control.options, (chosen, chosen))
                self.control.value = chosen
            case _:
                self.control.value = as_text(self.column, value)

    def _typed(self, change: dict[str, Any]) -> None:
        if self._showing:
            return
        is_reference = isinstance(self.control, ReferencePicker)
        label = self.control.label if is_reference else None
        value = change["new"]
        if self.column.kind == "choice":
            value = value or None
        self._model.enter(self.column.field, value, label)

    async def _find(self, term: str) -> list[Choice]:
        return await self._source.lookup(self.column.field, term, dict(self._model.values))

    def _control(self) -> Any:
        column = self.column
        common = {"description": column.title}
        if column.marked_up and self._writing is not None:
            return Prose(self._writing, description=column.title)
        match column.kind:
            case "reference":
                return ReferencePicker(
                    self._find, description=column.title, required=column.required
                )
            case "boolean":
                return ipywidgets.Checkbox(indent=False, **common)
            case "choice":
                return ipywidgets.Dropdown(
                    options=[("–", ""), *((option, option) for option in column.options)],
                    value="", **common,
                )  # fmt: skip
            case "long" | "json":
                return ipywidgets.Textarea(continuous_update=False, rows=5, **common)
            case "tags":
                return ipywidgets.Text(
                    continuous_update=False, placeholder="one, two", **common
                )  # fmt: skip
        return ipywidgets.Text(continuous_update=False, **common)


def _label(text: str, name: str) -> ipywidgets.Label:
    # A Label sets text, never HTML: a name with script in it stays a name.
    label = ipywidgets.Label(text)
    label.add_class(name)
    return label

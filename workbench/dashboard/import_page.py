"""The page that takes files into a world: drop them, see the plan, approve it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import ipywidgets

from workbench.dashboard.changed import field
from workbench.dashboard.importing import (
    CHOOSE,
    DONE,
    ENDINGS,
    IMPORTING,
    PLANNED,
    PLANNING,
    ImportModel,
    accepted,
)
from workbench.dashboard.listing import Within
from workbench.dashboard.standing import reading_note
from workbench.dashboard.state import HISTORY, Place
from workbench.dashboard.under_way import WorkView, choice, to_save, troubles, under_way
from workbench.dashboard.world import Go
from workbench.errors import problem_lines
from workbench.widgets.content import Content, Element, element
from workbench.widgets.upload import Upload

if TYPE_CHECKING:
    from workbench.transfer.proposal import Plan
    from workbench.transfer.report import LoadReport

_WHAT = (
    "Files of any table become one plan: what is new, what changes, and what has a problem. "
    "You look at it, and then it is done as shown, or not at all."
)
_STOP = "Nothing is imported. Mend the files and drop them here again."
_SKIP = "Rows with a problem, and those that need them, are left out and can be saved."
_SHOWN_PROBLEMS = 20
_SHOWN_NOTES = 20
_KINDS = ("Read", "New", "Changed", "Unchanged", "Left out")


async def import_page(within: Within, go: Go, done: Callable[[], object]) -> list[Any]:
    """Return the widgets of the page.

    Parameters
    ----------
    done
        Called when something was imported.
    """
    words = element("p", _WHAT, kind="wb-soft")
    head = Content(element("h1", "Import"), words, reading_note(within.standing))
    if within.standing.role == "viewer":
        return [head]
    from workbench.transfer.tables import TABLES

    model = ImportModel(within.wb, within.world)
    return [head, ImportView(model, within, list(TABLES), go, done)]


class ImportView(WorkView):
    """Where files are dropped, and below it what would be done, is being done, or was done."""

    def __init__(
        self,
        model: ImportModel,
        within: Within,
        tables: list[str],
        go: Go,
        done: Callable[[], object],
    ) -> None:
        self.model, self._within, self._go, self._done = model, within, go, done
        self.upload = Upload(
            model, tables=tables, accept=",".join(ENDINGS), note=accepted(model.inbox)
        )
        self.saves = ipywidgets.VBox()
        super().__init__(model, self.upload, below=self.saves)
        self.body.add_class("wb-plan")

    @property
    def running(self) -> bool:
        """Whether something would be cancelled by leaving."""
        return self.model.stage == IMPORTING

    async def act(self, action: str) -> None:
        model = self.model
        verb, _, which = action.partition(":")
        if verb == "cancel":
            model.cancel()
        elif verb == "skip":
            model.skips = which == "yes"
        elif verb == "go":
            await self._go(which)
        else:
            self._within.run(self._do(verb))

    async def _do(self, verb: str) -> None:
        model = self.model
        if verb == "plan":
            await model.make_plan()
        elif verb == "apply":
            await model.apply()
        elif verb == "again":
            await model.start_again()
        if model.stage == DONE and verb == "apply":
            self._done()

    def show(self) -> None:
        model = self.model
        if self.upload.files != model.files:
            self.upload.files = model.files
        self.upload.busy = model.stage in (PLANNING, IMPORTING)
        self.upload.layout.display = "none" if model.stage == DONE else None
        self.body.show(*self._parts())
        if model.stage != DONE:
            self._keep([])
        elif not self.saves.children:
            self._keep(self._rejects())

    def _keep(self, saves: list[Any]) -> None:
        old, self.saves.children = self.saves.children, saves
        for widget in old:
            widget.close()

    def _rejects(self) -> list[Any]:
        return [to_save(path, name) for path, name in self.model.rejects().values()]

    def _parts(self) -> list[Element | None]:
        model = self.model
        parts: list[Element | None] = [*troubles(model)]
        if model.stage in (PLANNING, IMPORTING):
            what = "Working out the plan" if model.stage == PLANNING else "Importing"
            parts.append(under_way(what, model.step))
        elif model.stage == PLANNED and model.plan is not None:
            parts += _plan(model.plan, model)
        elif model.stage == DONE and model.report is not None:
            parts += self._result(model.report)
        elif model.stage == CHOOSE and model.files:
            parts.append(_button("See what it would do", "plan", primary=True))
        return parts

    def _result(self, report: LoadReport) -> list[Element | None]:
        rows = sum(counts.inserted + counts.updated for counts in report.tables.values())
        left_out = sum(counts.rejected for counts in report.tables.values())
        parts: list[Element | None] = [
            element("div", element("h2", f"{_rows(rows)} imported", data_next=""), role="status"),
            _counts(report),
        ]
        changeset = self.model.changeset
        if changeset is not None:
            place = Place(self._within.world.id, HISTORY, changeset)
            words = "See it in the history, where it can be undone"
            parts.append(_button(words, f"go:{place}"))
        if left_out and self.model.rejects():
            was = "was" if left_out == 1 else "were"
            words = (
                f"{_rows(left_out)} {was} left out. Save what was, mend it where the column "
                "“problem” says so, and drop the file here."
            )
            parts.append(element("p", words))
        parts.append(_button("Import other files", "again"))
        return parts


def _plan(plan: Plan, model: ImportModel) -> list[Element | None]:
    report = plan.report
    rows = model.rows
    parts: list[Element | None] = [
        element("div", element("h2", "What this would do", data_next=""), role="status"),
        _counts(report),
        _problems(plan),
        _updates(plan),
        _inserts(plan),
    ]
    if report.notes:
        notes = [element("li", note) for note in report.notes[:_SHOWN_NOTES]]
        if len(report.notes) > _SHOWN_NOTES:
            notes.append(element("li", f"… and {len(report.notes) - _SHOWN_NOTES:,} more."))
        listed = element("ul", *notes, kind="wb-details")
        parts.append(element("section", element("h3", "Notes"), listed))
    if not rows:
        left = bool(report.problems)
        words = "Nothing can be imported." if left else "All of it is there already."
        return [*parts, element("p", element("strong", words))]
    if plan.problems:
        parts.append(_choice(model))
    if not plan.problems or model.skips:
        parts.append(_button(f"Import {_rows(rows)}", "apply", primary=True))
    return parts


def _choice(model: ImportModel) -> Element:
    """Describe the choice between mending the files and leaving rows out."""
    return element(
        "div",
        choice("Stop", _STOP, "skip:no", on=not model.skips),
        choice("Skip", _SKIP, "skip:yes", on=model.skips),
        kind="wb-choices-of-two",
        role="group",
        aria_label="What becomes of rows with a problem",
    )


def _counts(report: LoadReport) -> Element:
    head = element(
        "tr",
        element("th", "Table", scope="col"),
        *(element("th", kind, scope="col") for kind in _KINDS),
    )
    lines = [
        element(
            "tr",
            element("th", plural.replace("_", " "), scope="row"),
            *(element("td", f"{number:,}") for number in astuple(counts)),
        )
        for plural, counts in report.tables.items()
    ]
    if not lines:
        return element("p", "No row could be read.", kind="wb-soft")
    table = element("table", element("thead", head), element("tbody", *lines), kind="wb-counts")
    return element("div", table, kind="wb-wide")


def _problems(plan: Plan) -> Element | None:
    if not plan.problems:
        return None
    lines = problem_lines(plan.problems, _SHOWN_PROBLEMS, "problems")
    return element(
        "section",
        element("h3", "Problems"),
        element("ul", *(element("li", line) for line in lines), kind="wb-details wb-problems"),
    )


def _updates(plan: Plan) -> Element | None:
    rows, total = plan.first_updates()
    if not total:
        return None
    lines = [
        element(
            "li",
            field(f"{row['table']} “{row['name']}”, {row['column']}", row["old"], row["new"]),
        )
        for row in rows
    ]
    return _sample("Changes", lines, total, "cells")


def _inserts(plan: Plan) -> Element | None:
    rows, total = plan.first_inserts()
    if not total:
        return None
    lines = [element("li", f"{row['table']} “{row['name']}”") for row in rows]
    return _sample("New", lines, total, "rows")


def _sample(heading: str, lines: list[Element], total: int, what: str) -> Element:
    if total > len(lines):
        lines.append(element("li", f"… and {total - len(lines):,} more {what}.", kind="wb-soft"))
    return element("section", element("h3", heading), element("ul", *lines, kind="wb-details"))


def _button(words: str, action: str, *, primary: bool = False) -> Element:
    kind = "wb-button wb-primary" if primary else "wb-button"
    return element("p", element("button", words, kind=kind, action=action))


def _rows(count: int) -> str:
    return f"{count:,} {'row' if count == 1 else 'rows'}"

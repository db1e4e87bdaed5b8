"""Files on their way into a world: kept, recognised, planned, imported. No widgets here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any
from uuid import UUID

import traitlets

from workbench.dashboard.under_way import UnderWay
from workbench.entities.world import World
from workbench.errors import PlanMoved, Refused
from workbench.history import changes as history
from workbench.widgets.inbox import Arrived, Inbox
from workbench.workspace import Workspace

if TYPE_CHECKING:
    from workbench.transfer.options import Reading
    from workbench.transfer.proposal import Plan
    from workbench.transfer.report import LoadReport

ENDINGS = (
    *(".csv", ".tsv", ".tab", ".txt", ".xlsx", ".xlsm", ".json", ".jsonl", ".ndjson"),
    *(".parquet", ".pq", ".arrow", ".arrows", ".feather"),
)
_KINDS = "CSV, TSV, Excel, JSON, JSON lines, Parquet and Arrow"

CHOOSE, PLANNING, PLANNED, IMPORTING, DONE = "choose", "planning", "planned", "importing", "done"


class ImportModel(UnderWay):
    """What is to be imported into a world, and how far that is.

    Attributes
    ----------
    stage
        One of those above.
    files
        As `Upload` shows them.
    skips
        Whether rows with a problem may be left out.
    """

    stage = traitlets.Unicode(CHOOSE)
    files: traitlets.List[dict[str, Any]] = traitlets.List()
    skips = traitlets.Bool(False)

    def __init__(self, wb: Workspace, world: World) -> None:
        super().__init__()
        self._wb, self._world = wb, world
        self.inbox = Inbox(_plain_name)
        self.plan: Plan | None = None
        self.report: LoadReport | None = None
        self._readings: dict[str, Reading] = {}
        self._turn = asyncio.Lock()  # files are looked at in the order of what is asked

    @property
    def rows(self) -> int:
        """How many rows the plan adds or changes."""
        tables = {} if self.plan is None else self.plan.report.tables
        return sum(counts.inserted + counts.updated for counts in tables.values())

    # What `Upload` asks for.

    def begin(self, name: str, size: int) -> str:
        self._require_rest()
        return self.inbox.begin(name, size).key

    def write(self, key: str, offset: int, data: bytes) -> None:
        self.inbox.write(key, offset, data)

    async def end(self, key: str) -> None:
        if not self.inbox.get(key).is_whole:
            name = self.inbox.get(key).name
            self.inbox.drop(key)
            raise Refused(f"{name}: not all of it has come. Choose it again.")
        async with self._changing():
            pass

    async def drop(self, key: str) -> None:
        async with self._changing():
            self.inbox.drop(key)

    async def choose(self, key: str, table: str) -> None:
        async with self._changing():
            self.inbox.get(key)
            self._readings[key] = replace(self._reading(key), table=table or None, columns={})

    async def mean(self, key: str, header: str, name: str) -> None:
        async with self._changing():
            self.inbox.get(key)
            reading = self._reading(key)
            columns = {one: mean for one, mean in reading.columns.items() if one != header}
            if name:
                columns[header] = name
            self._readings[key] = replace(reading, columns=columns)

    def _reading(self, key: str) -> Reading:
        from workbench.transfer.options import HOW_IT_IS

        return self._readings.get(key, HOW_IT_IS)

    def _here(self) -> list[Arrived]:
        return [one for one in self.inbox.files.values() if one.is_whole]

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[None]:
        """Look at the files after what is done here; one at a time, and while nothing runs."""
        self._require_rest()
        async with self._turn:
            self._require_rest()  # it may have begun meanwhile
            yield
            await self._look()

    async def _ready(self) -> None:
        """Wait until all that was asked is done, and nothing runs.

        Raises
        ------
        Refused
            Something runs, or a file is not looked at yet.
        """
        async with self._turn:
            self._require_rest()
        if not self.inbox.files.keys() <= {one["key"] for one in self.files}:
            raise Refused("Some files are still on their way. Wait for them, or remove them.")

    async def _look(self) -> None:
        """Recognise what is here; a plan of other files is none any more."""
        from workbench.transfer.look import meanings
        from workbench.transfer.options import Handed
        from workbench.transfer.tables import TABLES

        here = self._here()
        handed = [Handed(one.path, one.name, self._reading(one.key)) for one in here]
        looks = await self._wb.look(handed, world=self._world)
        shown: list[dict[str, Any]] = [
            {
                "key": one.key,
                "name": one.name,
                "size": one.size,
                "told": list(self._reading(one.key).columns),
                "looks": [],
            }
            for one in here
        ]
        for look in looks:
            choices = meanings(TABLES[look.table]) if look.table else []
            shown[look.file]["looks"].append({**asdict(look), "choices": choices})
        self.plan = self.report = None
        self.problem = self.said = ""
        self.stage, self.files = CHOOSE, shown

    # What the page asks for.

    async def make_plan(self) -> None:
        """Work out what an import would do."""
        await self._ready()
        await self._run(PLANNING, self._plan(), then=PLANNED, back=CHOOSE)

    async def _plan(self) -> None:
        from workbench.transfer.options import Handed

        handed = [Handed(one.path, one.name, self._reading(one.key)) for one in self._here()]
        self.plan = self.report = None
        self.skips = False
        self.plan = await self._wb.plan(
            handed, world=self._world, on_problem="skip", progress=self.note
        )

    async def apply(self) -> None:
        """Do what the plan shows, or nothing."""
        await self._ready()
        if self.plan is None or not self.rows or (self.plan.problems and not self.skips):
            raise Refused("There is no plan that can be carried out.")
        await self._run(IMPORTING, self._apply(self.plan), then=DONE, back=PLANNED)

    async def _apply(self, plan: Plan) -> None:
        rejects = self.inbox.folder / "rejects"
        try:
            self.report = await plan.apply(progress=self.note, rejects=rejects)
        except asyncio.CancelledError:
            made = plan.changeset
            if made is None or not await history.is_there(self._wb.database, made):
                raise
            self.report = replace(plan.report, written=True, changeset=made)
            self.said = "It could not be cancelled any more: everything is written."
        except PlanMoved:
            self.plan = None
            raise

    def rejects(self) -> dict[str, tuple[Path, str]]:
        """Return the files of rows that were left out, by what they are of, and their names."""
        found = {} if self.report is None else self.report.rejects
        return {
            file: (path, f"{PurePath(file.replace('/', '_')).stem}.rejects{path.suffix}")
            for file, path in found.items()
            if isinstance(path, Path)
        }

    @property
    def changeset(self) -> UUID | None:
        """The set of changes that the import is in the history."""
        return None if self.report is None else self.report.changeset

    async def start_again(self) -> None:
        """Let go of all files."""
        async with self._changing():
            for key in list(self.inbox.files):
                self.inbox.drop(key)
            self._readings.clear()

    def close(self) -> None:
        """End what is under way, and remove all files."""
        self.cancel()
        self.plan = None
        self._when_over(self.inbox.close)

    async def _run(
        self, stage: str, work: Coroutine[Any, Any, None], *, then: str, back: str
    ) -> None:
        self.problem = self.said = ""
        self.step, self.stage = None, stage
        well = False
        try:
            well = await self._work(work, cancelled="Cancelled. Nothing was written.")
        finally:
            self.stage = then if well else back if self.plan is not None else CHOOSE


def _plain_name(name: str) -> str:
    """Return the name that a file lies under: of its table, and of its format.

    Raises
    ------
    Refused
        It is of no format that can be imported.
    """
    from workbench.transfer.tables import table_of

    path = PurePath(name)
    ending = path.suffix.casefold()
    if ending == ".zip":
        raise Refused(
            f"{name}: an archive holds a whole world. “workbench restore {name}” brings it back."
        )
    if ending not in ENDINGS:
        raise Refused(f"{name}: this is no file that can be imported. {_KINDS} can.")
    stored = table_of(path.stem)
    return f"{stored.plural if stored else 'file'}{ending}"


def accepted(inbox: Inbox) -> str:
    """Return what is taken, in words."""
    return (
        f"{_KINDS}; several at once, {inbox.most_bytes // 2**20:,} MB together. Nothing is "
        "written before you have seen the plan."
    )

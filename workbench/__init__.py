"""Story worlds in PostgreSQL: as DataFrames, as a dashboard, as files.

>>> import workbench
>>> wb = await workbench.connect()                    # doctest: +SKIP
>>> frame = await wb.personas.frame(world="Dracula")  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["Workspace", "__version__", "connect"]
__version__ = "0.1.0"

if TYPE_CHECKING:
    from workbench.wiring import connect
    from workbench.workspace import Workspace


def __getattr__(name: str) -> Any:
    # SQLAlchemy and pydantic take most of a second; `import workbench` does not.
    if name == "connect":
        from workbench.wiring import connect

        return connect
    if name == "Workspace":
        from workbench.workspace import Workspace

        return Workspace
    raise AttributeError(f"module 'workbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

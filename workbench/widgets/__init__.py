"""Widgets over rows that come from anywhere: a grid, a form, both together, a tree, a picker.

They know no database: whoever has rows writes a `Source` (see `source.py`).
"""

from workbench.widgets.dialog import Messages
from workbench.widgets.editor import Editor
from workbench.widgets.form import RecordForm
from workbench.widgets.form_model import FormModel
from workbench.widgets.grid import Grid
from workbench.widgets.outline import Node, OutlineTree
from workbench.widgets.picker import ReferencePicker
from workbench.widgets.source import Choice, Column, Filter, Page, Row, Sort, Source, StoredRow

__all__ = [
    "Choice",
    "Column",
    "Editor",
    "Filter",
    "FormModel",
    "Grid",
    "Messages",
    "Node",
    "OutlineTree",
    "Page",
    "RecordForm",
    "ReferencePicker",
    "Row",
    "Sort",
    "Source",
    "StoredRow",
]

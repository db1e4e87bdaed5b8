"""The names that others may rely on."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import workbench
from workbench import errors

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(workbench.__path__, "workbench.")
    if not module.name.endswith("__main__") and ".frontend" not in module.name
)


def test_workbench_offers_what_it_lists():
    assert sorted(workbench.__all__) == ["Workspace", "__version__", "connect"]
    assert dir(workbench) == sorted(workbench.__all__)
    assert inspect.iscoroutinefunction(workbench.connect)
    assert workbench.Workspace.__name__ == "Workspace"
    with pytest.raises(AttributeError, match="no attribute 'conect'"):
        _ = workbench.conect


@pytest.mark.parametrize("name", MODULES)
def test_every_module_has_a_docstring_and_the_names_it_lists(name: str):
    module = importlib.import_module(name)
    listed = list(getattr(module, "__all__", ()))
    assert [each for each in listed if not hasattr(module, each)] == []
    assert len(set(listed)) == len(listed)
    empty = Path(module.__file__ or "").stat().st_size == 0
    assert module.__doc__ or empty, f"{name} does not say what it is for"


def trees() -> list[type[Exception]]:
    found = [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, errors.WorkbenchError)
    ]
    assert len(found) > 15
    return found


def test_every_error_is_listed_and_drawn_in_the_tree():
    drawn = errors.__doc__ or ""
    for error in trees():
        assert error.__name__ in errors.__all__
        assert error.__name__ in drawn
        assert error.__doc__


def test_the_tree_is_drawn_as_it_is():
    """The depth of a name in the drawing is its depth under WorkbenchError."""
    marks = {"*": 0, "x": 1, "+": 2}
    lines = [line.strip() for line in (errors.__doc__ or "").splitlines()]
    drawn = {
        words[1]: marks[words[0]]
        for words in (line.split() for line in lines)
        if len(words) > 1 and words[0] in marks
    }
    assert drawn == {e.__name__: e.__mro__.index(errors.WorkbenchError) for e in trees()}


def test_no_module_hides_a_public_name():
    """Importing `workbench.x` would bind the module over a function `workbench.x`."""
    modules = {name.split(".")[1] for name in MODULES}
    assert modules & set(workbench.__all__) == set()
    for _ in range(2):
        assert callable(workbench.connect)

"""The list of attacks is whole, and names tests that exist."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1]
CASES: dict[str, dict[str, Any]] = tomllib.loads(
    (TESTS / "attacks" / "cases.toml").read_text(encoding="utf-8")
)


@cache
def functions_of(file: str) -> frozenset[str]:
    """Return the tests of a file, without importing it."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = (node.name for node in tree.body if isinstance(node, kinds))
    return frozenset(name for name in names if name.startswith("test_"))


def test_each_of_the_74_cases_is_there_with_a_test_or_a_reason():
    numbers = [int(name) for name in CASES if name.isdigit()]
    assert numbers == list(range(1, 75))
    assert [name for name, case in CASES.items() if not (case["tests"] or "remark" in case)] == []
    assert {key for case in CASES.values() for key in case} == {"holds", "tests", "remark"}


def test_each_test_that_shows_a_case_exists():
    named = [test.split("::") for case in CASES.values() for test in case["tests"]]
    assert [f"{file}::{name}" for file, name in named if name not in functions_of(file)] == []

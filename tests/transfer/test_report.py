"""What a report says of problems."""

from __future__ import annotations

from workbench.errors import InvalidRows, Problem
from workbench.transfer.report import LoadReport, TableCounts


def unknown(row: int, world: str = "Achat") -> Problem:
    return Problem("personas.csv", row, "world", world, f"There is no world {world!r}.")


def test_the_same_problem_of_many_rows_takes_one_line_and_hides_no_other() -> None:
    problems = [unknown(n) for n in range(1, 2_001)]
    problems += [Problem("personas.csv", 2_001, "name", None, "This must not be empty.")]
    lines = str(LoadReport(problems=problems)).splitlines()
    assert lines[:2] == [
        "personas.csv, row 1, world: There is no world 'Achat'. "
        "The same holds for 1,999 more rows.",
        "personas.csv, row 2001, name: This must not be empty.",
    ]
    assert str(InvalidRows(problems)).count("\n") == 1


def test_of_few_rows_each_is_told_and_of_many_problems_how_many_there_are() -> None:
    problems = [unknown(1), unknown(2), unknown(3), *(unknown(n, f"W{n}") for n in range(4, 50))]
    lines = LoadReport(problems=problems).lines()
    assert [line.partition(",")[2].partition(",")[0] for line in lines[:3]] == [
        " row 1",
        " row 2",
        " row 3",
    ]
    assert lines[20] == "… and 29 more problems."
    several = [unknown(n, f"W{n % 20}") for n in range(100)]
    assert len(LoadReport(problems=several).lines()) == 20


def test_an_import_that_had_nothing_to_do_says_so() -> None:
    told = {}
    for inserted in (0, 1):
        counts = TableCounts(read=3, inserted=inserted, unchanged=3 - inserted)
        told[inserted] = str(LoadReport({"personas": counts}, written=True)).splitlines()[-1]
    assert told == {
        0: "Nothing had to be written: all of it is there.",
        1: "Everything is written.",
    }

"""Markdown as elements, and the field in which it is written."""

from __future__ import annotations

from uuid import UUID

import pytest

from workbench.widgets.form import RecordForm
from workbench.widgets.markdown import MOST_CHARACTERS, Mentioned, described, mention, mentions
from workbench.widgets.prose import Prose
from workbench.widgets.source import Choice, Column

MINA = "0198c6f0-0000-7000-8000-000000000001"
KNOWN = {("persona", UUID(MINA)): Mentioned(f"persona/{UUID(int=1)}/{MINA}", "Mina Harker")}


def outline(nodes) -> list:
    """Tags with what is in them, without attributes."""
    return [(n["tag"], n.get("text") or outline(n.get("children", []))) for n in nodes]


def test_what_is_written_becomes_elements_with_text_as_text():
    text = (
        "# Mina\n\nAn *assistant* **teacher**\nof `shorthand`.\n\n- one\n- two\n\n> said\n\n***\n"
    )
    assert outline(described(text, {})) == [
        ("h2", "Mina"),
        (
            "p",
            [
                ("span", "An "),
                ("em", "assistant"),
                ("span", " "),
                ("strong", "teacher"),
                ("br", []),
                ("span", "of "),
                ("code", "shorthand"),
                ("span", "."),
            ],
        ),
        ("ul", [("li", "one"), ("li", "two")]),
        ("blockquote", [("p", "said")]),
        ("hr", []),
    ]


def test_a_link_to_a_record_has_its_name_of_now_or_the_words_of_its_own():
    text = f"{mention('persona', MINA, 'Mina Murray')} saw [her](record:persona/{MINA})"
    (paragraph,) = described(text, KNOWN)
    named, _, worded = paragraph["children"]
    assert (named["tag"], named["text"], worded["text"]) == ("a", "Mina Harker", "her")
    assert named["attributes"]["href"] == f"?place=persona/{UUID(int=1)}/{MINA}"
    assert mentions(text) == {("persona", UUID(MINA))}


@pytest.mark.parametrize("begins", ["- ", "> ", "1. > "])
def test_nothing_of_what_is_nested_is_left_out(begins):
    inside = " " * len(begins) if begins[0] != ">" else begins
    for depth in range(1, 60):
        text = "\n".join(inside * n + f"{begins}w{n}w" for n in range(depth))
        said = str(described(text, {}))
        assert all(f"w{n}w" in said for n in range(depth))
    nested = "\n".join("  " * n + "- x" for n in range(15))
    assert str(described(nested, {})).count("'tag': 'ul'") == 15


def test_every_record_that_a_text_can_name_is_looked_up_once():
    known = mention("persona", MINA, "Mina")
    others = {("thing", UUID(int=n)) for n in range(300)}
    text = known * 2 + "".join(f"[](record:{entity}/{id})" for entity, id in others) + known
    assert len(text) < MOST_CHARACTERS
    assert mentions(text) == {("persona", UUID(MINA)), *others}


def test_a_name_full_of_marks_is_a_link_all_the_same():
    name = "A]( [b] *c* `d` <e> &amp; \\ !_f_"
    (paragraph,) = described(mention("persona", MINA, name), KNOWN)
    assert outline([paragraph]) == [("p", [("a", "Mina Harker")])]
    (unknown,) = described(mention("persona", MINA, name), {})
    assert unknown["children"][0]["text"] == name


class Writing:
    async def find(self, term):
        return [Choice(mention("persona", MINA, "Mina Harker"), "Mina Harker", "persona")]

    async def read(self, text):
        return described(text, KNOWN)


async def test_the_field_finds_records_and_previews(browse):
    browser = browse(Prose(Writing(), value="text"))
    answer = await browser.ask("find", term="mi")
    assert answer["data"][0]["value"] == f"[@Mina Harker](record:persona/{MINA})"
    answer = await browser.ask("preview", text="*so*")
    assert outline(answer["data"]) == [("p", [("em", "so")])]


async def test_a_form_that_is_only_read_shows_what_is_marked_up(source):
    columns = [Column("name", "Name"), Column("description", "Description", "long", marked_up=True)]
    source.columns = columns
    form = RecordForm(source, writing=Writing())
    followed = []

    async def follow(place):
        followed.append(place)

    form.on_open = follow
    link = mention("persona", MINA, "x")
    form.load({"id": "r1", "version": 1, "name": "N", "description": link, "__fixed": True})
    await form.tasks.settled()
    assert "Mina Harker" in str(form.reading.nodes)
    await form.reading._act({"action": "persona/a/b"})
    assert followed == ["persona/a/b"]
    assert isinstance(form.fields["description"].control, Prose)


async def test_each_of_two_texts_that_are_marked_up_is_read_once_for_a_row(source):
    asked = []

    class Counting(Writing):
        async def read(self, text):
            asked.append(text)
            assert len(asked) < 10
            return await super().read(text)

    columns = [Column(name, name, "long", marked_up=True) for name in ("description", "notes")]
    source.columns = [Column("name", "Name"), *columns]
    form = RecordForm(source, writing=Counting())
    row = {"id": "r1", "version": 1, "name": "N", "__fixed": True}
    form.load({**row, "description": "*one*", "notes": "**two**"})
    await form.tasks.settled()
    assert asked == ["*one*", "**two**"]
    assert "one" in str(form.reading.nodes)
    assert "*one*" not in str(form.reading.nodes)
    form.load({**row, "description": "*three*", "notes": "**two**"})
    await form.tasks.settled()
    assert asked[2:] == ["*three*", "**two**"]
    assert set(form._read) == {"*three*", "**two**"}


def test_without_anybody_who_knows_the_records_a_field_is_plain_text(source):
    source.columns = [Column("description", "Description", "long", marked_up=True)]
    form = RecordForm(source)
    assert not isinstance(form.fields["description"].control, Prose)


async def test_what_is_typed_in_the_field_is_what_is_saved(source):
    source.columns = [Column("description", "Description", "long", marked_up=True)]
    form = RecordForm(source, writing=Writing())
    form.load(dict(source.rows["r1"]))
    form.fields["description"].control.value = "*new*"
    await form.save()
    assert source.rows["r1"]["description"] == "*new*"

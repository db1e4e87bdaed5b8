"""What the browser adds to a form of plain ipywidgets, on elements as ipywidgets draws them."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from workbench.widgets import ReferencePicker
from workbench.widgets.panel import FormStyle

ROW = """
<div class="widget-vbox wb-row wb-row-text wb-row-of-{name} {more}">
  <div class="widget-text"><label class="widget-label" for="{name}">{name}</label>
    <input id="{name}" type="text"></div>
  <div class="widget-label wb-help"></div><div class="widget-label wb-problem">{problem}</div>
  <div class="widget-hbox wb-clash" style="display: {clash}">
    <div class="widget-label wb-theirs">Stored now: something else of some length</div>
    <button class="jupyter-button">Keep mine</button>
    <button class="jupyter-button">Take theirs</button></div>
</div>"""
FORM = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Form</title>
<style>.widget-vbox, .widget-text {{ display: flex; flex-direction: column }}
.widget-hbox {{ display: flex }}</style>
<body class="theme-light" style="margin: 16px"><div class="wb wb-editor">
<div class="widget-hbox wb-editor-parts"><div class="widget-vbox wb wb-form">
{rows}<div id="here"></div></div></div></div></body></html>"""


def form(**special: dict[str, str]) -> str:
    given = {"more": "", "problem": "", "clash": "none"}
    names = [f"field{n}" for n in range(30)]
    rows = (ROW.format(name=name, **{**given, **special.get(name, {})}) for name in names)
    return FORM.format(rows="".join(rows))


@pytest.mark.parametrize("width", [390, 1400])
async def test_a_choice_below_the_fold_is_brought_into_view(show, width):
    style = FormStyle()
    shown = await show(style, form(field25={"clash": "flex"}))
    await shown.page.set_viewport_size({"width": width, "height": 500})
    keep, take = await shown.page.locator(".wb-row-of-field25 button").all()
    await expect(keep).not_to_be_in_viewport()
    style.lead_to("field25")
    await expect(keep).to_be_focused()
    await expect(keep).to_be_in_viewport(ratio=1)
    await expect(shown.page.locator(".wb-row-of-field25 .wb-theirs")).to_be_in_viewport(ratio=1)
    assert (await keep.bounding_box())["y"] == (await take.bounding_box())["y"]
    group = shown.page.get_by_role("group", name="Stored now: something else")
    await expect(group).to_be_visible()


async def test_a_refused_field_gets_the_focus(show):
    style = FormStyle()
    shown = await show(style, form(field25={"problem": "This must be at least 1."}))
    style.lead_to("field25")
    field = shown.page.locator("#field25")
    await expect(field).to_be_focused()
    await expect(field).to_be_in_viewport()
    await expect(field).to_have_attribute("aria-invalid", "true")


async def test_what_must_be_filled_has_a_red_star_and_says_so(show):
    shown = await show(FormStyle(), form(field1={"more": "wb-row-required"}))
    star = """name => { const s = getComputedStyle(document.querySelector(name), "::after");
                        return [s.content, s.color] }"""
    content, colour = await shown.page.evaluate(star, ".wb-row-of-field1 label")
    assert "*" in content
    assert colour == "rgb(179, 38, 30)"  # --wb-bad, as the star of a reference
    assert (await shown.page.evaluate(star, ".wb-row-of-field2 label"))[0] == "none"
    await expect(shown.page.locator("#field1")).to_have_attribute("aria-required", "true")
    await expect(shown.page.locator("#field2")).to_have_attribute("aria-required", "false")


async def test_a_reference_that_is_only_shown_cannot_be_cleared(show):
    async def lookup(term):
        return []

    picker = ReferencePicker(lookup, value="1", label="Somebody", description="Owner")
    clear = (await show(picker)).page.get_by_role("button", name="Clear Owner")
    await expect(clear).to_be_visible()
    picker.disabled = True
    shown = await show(picker)
    await expect(shown.page.get_by_role("combobox", name="Owner")).to_be_disabled()
    await expect(shown.page.get_by_role("button", name="Clear Owner")).to_have_count(0)


async def test_a_scrolled_form_keeps_its_corners(show):
    """Chromium draws the background of a scrolling box over the curves of its left border."""
    shown = await show(FormStyle(), form())
    await shown.page.set_viewport_size({"width": 1400, "height": 600})
    found = shown.page.locator(".wb-form")
    await expect(found).to_have_css("overflow-y", "auto")
    await expect(found).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    painted = await found.evaluate("e => getComputedStyle(e).backgroundImage")
    assert painted.startswith("linear-gradient(")

"""Every page of the book, and the class report, as a reader's browser shows it."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe

pytestmark = pytest.mark.browser

# The theme's own: its theme button's name, and the skip link outside any landmark.
THEMES_FINDINGS = {"label-content-name-mismatch", "region"}

HAS_VISIBLE_FOCUS = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  const shadowed = style.boxShadow !== "none";
  const inView = box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight
    && box.right > 0 && box.left < innerWidth;
  const order = [...document.querySelectorAll("*")].indexOf(element);
  return {order, visible: inView && (outlined || shadowed), html: element.outerHTML.slice(0, 160)};
}"""

SETTLED = """() => document.getAnimations().length === 0"""

CUT_OFF = """() => [...document.querySelectorAll("body *")].filter((element) => {
  const box = element.getBoundingClientRect();
  if (box.width === 0 || box.right <= innerWidth + 1) return false;
  for (let up = element; up !== document.body; up = up.parentElement) {
    if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(up).overflowX)) return false;
    if (getComputedStyle(up).position === "fixed" || up.tagName === "DIALOG") return false;
  }
  return true;
}).map((element) => element.outerHTML.slice(0, 120))"""


def test_a_page_opens_without_errors_and_asks_no_other_host(look, address, view):
    page, problems = look(address, view)
    assert problems == []
    assert page.title()
    assert page.locator("h1:visible").count() >= 1


@pytest.mark.parametrize("phone", ["phone", "dark phone"])
def test_a_page_fits_a_phone_without_scrolling_sideways(look, address, phone):
    page, _ = look(address, phone)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate(CUT_OFF) == []


def test_axe_finds_nothing_beyond_the_themes_own(look, address, view):
    page, _ = look(address, view)
    allowed = THEMES_FINDINGS if address.startswith("html/") else set()
    # preload would fetch stylesheets again, by addresses relative to the page.
    found = Axe().run(page, options={"preload": False}).response["violations"]
    beyond = {
        finding["id"]: [node["html"][:200] for node in finding["nodes"][:3]]
        for finding in found
        if finding["id"] not in allowed
    }
    assert beyond == {}


def test_every_control_is_reached_by_tab_and_shows_its_focus(visit, address):
    page = visit(address)
    seen, hidden = set(), []
    for _ in range(400):
        page.keyboard.press("Tab")
        page.wait_for_function(SETTLED)
        focus = page.evaluate(HAS_VISIBLE_FOCUS)
        if focus is None or focus["order"] in seen:
            break
        seen.add(focus["order"])
        if not focus["visible"]:
            hidden.append(focus["html"])
    assert len(seen) >= 3
    assert hidden == []


def test_images_say_what_one_would_see(look, address):
    page, _ = look(address, "desktop")
    for image in page.locator("main img").all():
        text = image.get_attribute("alt") or ""
        assert len(text) > 15, f"{image.get_attribute('src')} has alt text {text!r}"
        assert not re.search(r"\.(svg|png)$", text), "a file's name is no alt text"


def test_images_are_drawn(look, address, view):
    page, _ = look(address, view)
    for image in page.locator("img:visible").all():
        assert image.evaluate("image => image.complete && image.naturalWidth > 0")


def test_figures_stay_on_a_light_card_in_the_dark(look, book_page):
    page, _ = look(book_page, "dark")
    cards = page.locator("main img").evaluate_all(
        "images => images.map(image => getComputedStyle(image).backgroundColor)"
    )
    assert set(cards) <= {"rgb(255, 255, 255)"}


@pytest.mark.parametrize("phone", ["phone", "dark phone"])
def test_wide_figures_keep_their_size_on_a_phone_and_scroll_by_keyboard(look, phone):
    page, _ = look("html/luong.html", phone)
    boxes = page.locator(".wide-figure")
    assert boxes.count() == 3
    for box in boxes.all():
        assert box.evaluate("box => box.scrollWidth > box.clientWidth && box.tabIndex === 0")
        assert (box.locator("img").get_attribute("alt") or "") != ""


def test_a_formula_wider_than_its_page_is_reached_by_keyboard(visit):
    page = visit("html/luong.html", "phone")
    for width, some in ((180, True), (1280, False)):
        page.set_viewport_size({"width": width, "height": 740})
        page.wait_for_function(
            """some => {
              const formulas = [...document.querySelectorAll('mjx-container[display="true"]')];
              const wide = formulas.map((box) => box.scrollWidth > box.clientWidth);
              return wide.includes(true) === some
                && formulas.every((box, i) => (box.tabIndex === 0) === wide[i]);
            }""",
            arg=some,
        )

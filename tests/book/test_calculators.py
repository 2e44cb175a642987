"""The calculators of the built site: the package's numbers over a grid, usable by keyboard and on a phone."""

from itertools import product

import pytest
from browsing import PHONE, SITE, open_page
from playwright.sync_api import BrowserContext, Page

from companion.economics import training_bill
from companion.economics.compute import six_nd
from companion.stats import sample_size

PAGE = SITE / "book/appendix/calculators.html"
PAIRED = [(d, q) for d, q in product((0.004, 0.007, 0.03, 0.11), (0.015, 0.063, 0.12, 0.4)) if d < q]
UNPAIRED = [(d, p) for d, p in product((-0.05, 0.007, 0.03, 0.11), (0.065, 0.5, 0.85, 0.965)) if 0 < p + d < 1]
LEVELS = ((0.05, 0.8), (0.01, 0.9), (0.1, 0.95))


@pytest.fixture
def page(context: BrowserContext):
    visit = open_page(context, PAGE)
    yield visit.page
    assert visit.complaints == []
    visit.page.close()


def result(page: Page, form: str) -> str:
    return page.inner_text(f"#{form} output")


def dollars(utilization: float) -> str:
    """The bill that the form opens with."""
    bill = training_bill(six_nd(7 * 10**9, 140 * 10**9), peak=989e12, utilization=utilization, price=2.5)
    return f"${bill.dollars:,.0f}"


@pytest.mark.parametrize("paired", [True, False])
def test_sample_sizes_are_the_packages(page: Page, paired: bool) -> None:
    kind, name = ("paired_proportions", "disagreement") if paired else ("proportions", "share")
    for (difference, assumed), (alpha, power) in product(PAIRED if paired else UNPAIRED, LEVELS):
        asked = {"paired": paired, "difference": difference, "alpha": alpha, "power": power, "assumed": assumed}
        ours = sample_size(kind, difference, alpha=alpha, power=power, **{name: assumed}).n
        assert page.evaluate("asked => sampleSize(asked)", asked) == ours, asked


def test_a_difference_that_100_million_examples_do_not_find(page: Page) -> None:
    asked = {"paired": True, "difference": 1e-6, "alpha": 0.05, "power": 0.8, "assumed": 0.5}
    assert page.evaluate("asked => sampleSize(asked)", asked) is None
    with pytest.raises(ValueError, match="100 million"):
        sample_size("paired_proportions", 1e-6, disagreement=0.5)


def test_bills_are_the_packages(page: Page) -> None:
    grid = product((135e6, 7e9, 174.6e9), (140e9, 2e12), (312e12, 989e12), (0.4, 1.0), (1.0, 2.5), (1, 8))
    for parameters, tokens, peak, utilization, price, devices in grid:
        rest = {"peak": peak, "utilization": utilization, "price": price, "devices": devices}
        theirs = page.evaluate("a => trainingBill(a)", {"parameters": parameters, "tokens": tokens, **rest})
        ours = training_bill(six_nd(parameters, tokens), **rest)
        values = [theirs[name] for name in ("flops", "deviceHours", "days", "dollars")]
        assert values == pytest.approx([ours.flops, ours.device_hours, ours.days, ours.dollars], rel=1e-12)


def test_the_forms_say_what_the_chapters_say(page: Page) -> None:
    n = sample_size("paired_proportions", 0.007, disagreement=0.063).n
    assert f"{n:,} examples, each judged by both models" in result(page, "sample-size")
    assert f"{dollars(0.4)} for 4,128.7 device hours" in result(page, "bill")
    page.select_option("#preset", label="GPT-3: 300 billion tokens")
    assert "3.14 × 10^23 operations" in result(page, "bill")


def test_the_other_design_asks_for_something_else(page: Page) -> None:
    page.check("input[value=unpaired]")
    assert page.is_visible("#right")
    assert not page.is_visible("#disputed")
    n = sample_size("proportions", 0.007, share=0.965).n
    assert f"{n:,} examples in each of two groups" in result(page, "sample-size")
    assert f"${2 * n:,}" in result(page, "sample-size")


def test_what_is_out_of_range_is_said(page: Page) -> None:
    page.fill("#points", "7")
    assert "in dispute" in result(page, "sample-size")
    page.fill("#points", "")
    assert result(page, "sample-size") == "Difference worth finding, in points: a number from 0.01 to 50."
    page.fill("#utilization", "400")
    assert result(page, "bill") == "Utilization, in %: a number from 0.1 to 100."


def test_the_keyboard_moves_a_slider_and_its_field(page: Page) -> None:
    page.focus("input[data-field=utilization]")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#utilization") == "41"
    assert dollars(0.41) in result(page, "bill")
    page.fill("#utilization", "80")
    assert page.input_value("input[data-field=utilization]") == "80"


def test_every_field_has_a_label(page: Page) -> None:
    fields = "all => all.map(e => [...e.labels].map(l => l.textContent.trim()).join() || e.getAttribute('aria-label'))"
    labels = page.eval_on_selector_all(".calculator :is(input, select)", fields)
    assert len(labels) == len(set(labels)) > 10
    assert all(labels)


def test_a_phone_shows_all_of_it(page: Page) -> None:
    page.set_viewport_size(PHONE)
    right = "all => Math.max(...all.map(e => e.getBoundingClientRect().right))"
    assert page.eval_on_selector_all(".calculator, .calculator *", right) <= PHONE["width"]

"""Several people on the page, in a real browser: who is who, and who wears the sensors."""

from __future__ import annotations

import json

import pytest
from page_runs import Run, needs_chromium, until
from two_people import write_two_people

pytestmark = [pytest.mark.xdist_group("page-people")]

SECONDS = 400.0
"""Longer than the tests take: a replay ends with its recording."""


@pytest.fixture(scope="module")
def people(tmp_path_factory, weights):
    """``chorus live --people=3 --web`` on a recording of two people."""
    folder = tmp_path_factory.mktemp("people")
    session = write_two_people(folder / "two.h5", SECONDS)
    words = ("--realtime", "--web", "--web_port=0", "--people=3", "--vision=markers", "--output=out")
    run = Run(folder, "live", f"--source={session}", *words, f"--weights={weights}", "--film=false")
    yield run
    assert run.end() == 0


def opened(page, run):
    """Open the page; return the two who are in the picture and in the list."""
    page.goto(run.url)

    def both():
        seen = told(page, "#picture", "people").split()
        listed = page.evaluate(
            "[...document.querySelectorAll('#people-list button')].map(b => b.dataset.person)"
        )
        return seen if len(seen) == 2 and set(seen) <= set(listed) else None

    return until(both, "two people are drawn")


def told(page, selector, name):
    return page.evaluate(f"document.querySelector('{selector}').dataset.{name} || ''")


def pressed(page, person):
    return page.get_attribute(f"#people-list [data-person='{person}']", "aria-pressed") == "true"


@needs_chromium
def test_everybody_is_listed_with_a_colour_and_a_body(page, people):
    first, second = opened(page, people)
    names = page.inner_text("#people-list")
    assert f"Person {first}" in names
    assert f"Person {second}" in names
    colours = page.evaluate(
        "[...document.querySelectorAll('#people-list i')].map(i => getComputedStyle(i).backgroundColor)"
    )
    assert len(set(colours)) == len(colours)
    until(lambda: float(told(page, "#body", "people") or 0) >= 2, "both bodies are drawn")
    until(lambda: f"Person {first}" in page.get_attribute("#picture", "aria-label"), "it is said who is seen")
    assert page.is_visible("#people-help")


@needs_chromium
def test_who_is_clicked_in_the_picture_wears_the_sensors_and_automatic_ends_it(page, people):
    opened(page, people)
    box = page.locator("#picture").bounding_box()
    scale = min(box["width"] / 640, box["height"] / 320)
    left = box["x"] + (box["width"] - 640 * scale) / 2
    middle = box["y"] + box["height"] / 2
    at = {}
    for x in (160, 480):
        page.mouse.click(left + x * scale, middle)
        until(lambda: told(page, "#people-list", "by") == "chosen", "somebody was chosen")
        until(
            lambda: told(page, "#people-list", "wearer") not in {"", "0", *at.values()},
            "the one who was clicked wears the sensors",
        )
        at[x] = told(page, "#people-list", "wearer")
        assert pressed(page, at[x])
    assert len(set(at.values())) == 2
    page.click("#people-auto")
    until(lambda: told(page, "#people-list", "by") == "found", "it is found again")
    assert page.get_attribute("#people-auto", "aria-pressed") == "true"


@needs_chromium
def test_who_wears_the_sensors_is_chosen_by_keys_too(page, people):
    first, second = opened(page, people)
    for person, other in ((second, first), (first, second)):
        page.focus(f"#people-list [data-person='{person}']")
        page.keyboard.press("Enter")
        until(lambda who=person: pressed(page, who), "that one wears the sensors")
        words = f"#people-list [data-person='{person}']"
        until(lambda words=words: "wears the sensors" in page.inner_text(words), "it is said")
        assert not pressed(page, other)
    page.focus("#people-auto")
    page.keyboard.press("Space")
    until(lambda: told(page, "#people-list", "by") == "found", "it is found again")


@needs_chromium
def test_the_list_of_people_fits_a_phone(browser, people):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, device_scale_factor=2, is_mobile=True, has_touch=True
    )
    page = context.new_page()
    opened(page, people)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    heights = page.evaluate("[...document.querySelectorAll('#people button')].map(b => b.offsetHeight)")
    assert min(heights) >= 32
    context.close()


def test_what_is_no_person_is_refused_in_words(people, serve):
    for body in ({"person": -1}, {"person": "me"}, {"who": 1}, {}):
        status, _, answer = people.ask("POST", "/api/wearer", json.dumps(body).encode())
        assert status == 422
        assert "not understood" in json.loads(answer)["error"]
    status, _, answer = serve.ask("POST", "/api/wearer", b'{"person": 1}')
    assert status == 409
    assert "--people" in json.loads(answer)["error"]

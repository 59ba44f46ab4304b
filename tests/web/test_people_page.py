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
    page.goto(run.url)
    until(lambda: told(page, "#picture", "people") == "1 2", "two people are drawn")


def told(page, selector, name):
    return page.evaluate(f"document.querySelector('{selector}').dataset.{name} || ''")


def pressed(page, person):
    return page.get_attribute(f"#people-list [data-person='{person}']", "aria-pressed") == "true"


@needs_chromium
def test_everybody_is_listed_with_a_colour_and_a_body(page, people):
    opened(page, people)
    until(lambda: page.locator("#people-list li").count() >= 2, "people are listed")
    names = page.inner_text("#people-list")
    assert "Person 1" in names
    assert "Person 2" in names
    colours = page.evaluate(
        "[...document.querySelectorAll('#people-list i')].map(i => getComputedStyle(i).backgroundColor)"
    )
    assert len(set(colours)) == len(colours)
    until(lambda: float(told(page, "#body", "people") or 0) >= 2, "both bodies are drawn")
    assert "Person 1" in page.get_attribute("#picture", "aria-label")
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
            lambda x=x: told(page, "#people-list", "wearer") in {"1", "2"} - set(at.values()),
            "the one who was clicked wears the sensors",
        )
        at[x] = told(page, "#people-list", "wearer")
        assert pressed(page, at[x])
    assert set(at.values()) == {"1", "2"}
    page.click("#people-auto")
    until(lambda: told(page, "#people-list", "by") == "found", "it is found again")
    assert page.get_attribute("#people-auto", "aria-pressed") == "true"


@needs_chromium
def test_who_wears_the_sensors_is_chosen_by_keys_too(page, people):
    opened(page, people)
    page.focus("#people-list [data-person='2']")
    page.keyboard.press("Enter")
    until(lambda: pressed(page, 2), "the second wears the sensors")
    until(lambda: "wears the sensors" in page.inner_text("#people-list [data-person='2']"), "it is said")
    assert not pressed(page, 1)
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

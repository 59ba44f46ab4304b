"""Uploads in a real browser: a film in, what came of it out."""

from __future__ import annotations

import pytest
from page_runs import VIDEOS, needs_chromium, until, write_film

pytestmark = [needs_chromium, pytest.mark.xdist_group("page-serve")]


def opened(page, run):
    page.goto(run.url)
    until(lambda: page.get_attribute("html", "data-ready"), "the page is ready")
    assert page.is_visible("#drop")


def sent(page, path):
    page.set_input_files("#file", str(path))
    item = page.locator(".upload", has_text=path.name)
    until(lambda: item.count() == 1, "it is listed")
    until(lambda: item.get_attribute("data-state") in ("done", "failed"), "it is over", 180.0)
    return item


@pytest.mark.parametrize("suffix", VIDEOS)
def test_a_film_goes_in_and_its_results_come_out(page, serve, frames, tmp_path, suffix):
    opened(page, serve)
    path = write_film(tmp_path / f"walk{suffix}", frames)
    item = sent(page, path)
    assert item.get_attribute("data-state") == "done", item.inner_text()
    assert "30 pictures" in item.locator(".summary").inner_text()
    film = item.locator("video")
    until(lambda: film.evaluate("e => e.readyState") >= 1, "the overlay can be played")
    assert film.evaluate("e => e.videoWidth") == 320
    shot = item.locator(".shots img").first
    until(lambda: shot.evaluate("e => e.complete && e.naturalWidth") == 320, "a screenshot is shown")
    for words, start in (("Overlay video", b"\0\0\0"), ("Poses", b"time_ns,"), ("Everything", b"PK")):
        with page.expect_download() as waited:
            item.get_by_role("link", name=words).click()
        got = tmp_path / f"got-{words}"
        waited.value.save_as(got)
        assert got.read_bytes().startswith(start)
        assert waited.value.suggested_filename.startswith("walk_")
    item.get_by_role("button", name=f"Delete walk{suffix}").click()
    until(lambda: item.count() == 0, "it is gone")
    assert not [p for p in (serve.folder / "sessions").rglob("*") if p.is_file()]


def test_what_is_no_film_is_told_on_the_page(page, serve, film, tmp_path):
    opened(page, serve)
    told = page.locator("#upload-told")
    for name, body, words in (
        ("notes.txt", b"words", "no video or picture of a kind that is taken"),
        ("empty.mp4", b"", "is empty"),
        ("large.mp4", b"\0" * 6_000_000, "more than the 5.0 MB"),
    ):
        (tmp_path / name).write_bytes(body)
        page.set_input_files("#file", str(tmp_path / name))
        until(lambda words=words: words in told.inner_text(), f"{name} is refused")
        assert told.get_attribute("data-kind") == "bad"
    (tmp_path / "cut.mp4").write_bytes(film.read_bytes()[:2000])
    item = sent(page, tmp_path / "cut.mp4")
    assert item.get_attribute("data-state") == "failed"
    assert "cut.mp4" in item.inner_text()
    assert "cut off" in item.inner_text()
    item.get_by_role("button").click()
    until(lambda: item.count() == 0, "it is gone")


def test_a_text_with_the_name_of_a_film_is_told_by_the_server(browser, serve, tmp_path):
    page = browser.new_page()  # its console tells of the refusal, too
    opened(page, serve)
    (tmp_path / "renamed.mp4").write_bytes(b"only words\n" * 100)
    page.set_input_files("#file", str(tmp_path / "renamed.mp4"))
    until(lambda: "no video or picture" in page.inner_text("#upload-told"), "it is told")
    assert not [p for p in (serve.folder / "sessions").rglob("*") if p.is_file()]
    page.close()


def test_the_page_of_uploads_fits_a_phone_and_is_used_by_keys(browser, serve):
    context = browser.new_context(viewport={"width": 360, "height": 700}, is_mobile=True, has_touch=True)
    page = context.new_page()
    opened(page, serve)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    reached = set()
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"theme", "file"} <= reached
    context.close()

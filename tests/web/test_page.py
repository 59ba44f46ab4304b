"""The live page in a real browser, as somebody who tracks sees and uses it."""

from __future__ import annotations

import re

import pytest
from page_runs import needs_chromium, until

from recordings.check import check
from recordings.reader import open_recording

pytestmark = [needs_chromium, pytest.mark.xdist_group("page-live")]


def number(page, selector: str, name: str) -> float:
    return float(page.evaluate(f"Number(document.querySelector('{selector}').dataset.{name} || 0)"))


def looks(page, selector: str) -> str:
    return page.evaluate(f"document.querySelector('{selector}').toDataURL()")


def moves(page, selector: str) -> None:
    before = looks(page, selector)
    until(lambda: looks(page, selector) != before, f"{selector} moves")


def opened(page, run) -> None:
    page.goto(run.url)
    until(lambda: number(page, "#body", "time") > 0, "a pose is drawn")


def test_the_live_view_moves(page, live):
    opened(page, live)
    until(lambda: number(page, "#picture", "pictures") > 3, "pictures are drawn")
    for canvas in ("#picture", "#body", "#trace-pelvis", "#trace-microphone", "#timeline"):
        moves(page, canvas)
    until(lambda: "poses/s" in page.inner_text("#link"), "the rate is told")
    rows = page.locator("#health tbody tr")
    assert rows.count() == 4
    until(lambda: "Hz" in rows.first.locator("[data-what=rate]").inner_text(), "rates are told")
    until(lambda: "ms" in rows.first.locator("[data-what=bound]").inner_text(), "bounds are told")


def test_angles_are_told_as_they_are_found(page, live):
    opened(page, live)
    until(lambda: page.is_visible("#posture"), "angles come")
    until(lambda: "°" in page.inner_text("#angles"), "an angle is told")
    before = page.inner_text("#angles")
    until(lambda: page.inner_text("#angles") != before, "angles change")


def test_the_heatmap_is_shown_on_request_only(page, live):
    opened(page, live)
    until(lambda: number(page, "#picture", "pictures") > 1, "pictures are drawn")
    assert number(page, "#picture", "heatmaps") == 0
    page.click("#show-heat")
    until(lambda: number(page, "#picture", "heatmaps") > 0, "a heatmap is drawn")
    assert page.get_attribute("#show-heat", "aria-pressed") == "true"


def test_a_picture_that_is_not_shown_is_not_sent(page, live):
    opened(page, live)
    until(lambda: number(page, "#picture", "pictures") > 1, "pictures are drawn")
    page.click("#show-picture")
    page.wait_for_timeout(500)  # those on their way
    before, time = number(page, "#picture", "pictures"), number(page, "#body", "time")
    until(lambda: number(page, "#body", "time") > time + 1e9, "poses go on")
    assert number(page, "#picture", "pictures") == before


def test_the_body_is_turned_by_mouse_and_keys(page, live):
    opened(page, live)
    page.focus("#body")
    page.keyboard.press("ArrowLeft")
    by_key = number(page, "#body", "yaw")
    assert by_key != 0
    assert "turned by" in page.get_attribute("#body", "aria-label")
    box = page.locator("#body").bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 120)
    page.mouse.up()
    assert abs(number(page, "#body", "yaw") - by_key) > 0.5
    page.keyboard.press("0")
    page.click("#body-side")
    assert number(page, "#body", "yaw") == pytest.approx(1.571, abs=0.01)


def test_the_record_button_makes_a_sound_session_with_its_marks(page, live):
    opened(page, live)
    before = set((live.folder / "sessions").glob("*.h5"))
    page.click("#record")
    until(lambda: page.get_attribute("#record", "data-phase") == "recording", "it records")
    page.fill("#mark-label", "start squat")
    page.keyboard.press("Enter")
    until(lambda: "start squat" in page.inner_text("#told"), "the mark is told")
    until(lambda: "start squat" in page.inner_text("#events"), "the mark is listed")
    until(lambda: "Stop 0:03" in page.inner_text("#record"), "three seconds are recorded")
    page.click("#record")
    until(lambda: page.get_attribute("#record", "data-phase") in ("done", "failed"), "it is done")
    (path,) = set((live.folder / "sessions").glob("*.h5")) - before
    assert path.name in page.inner_text("#recorder")
    report = check(path)
    # A busy machine may make the simulated camera leave out pictures, which is told. Nothing else is wrong.
    assert all("was lost" in problem for problem in report.problems), report.problems
    assert ("sound" in page.inner_text("#recorder")) == (not report.problems)
    assert all(stream.unexplained == 0 for stream in report.streams.values())
    with open_recording(path) as recording:
        assert {"camera", "pelvis", "left_forearm", "microphone", "fused_pose"} <= set(recording.all_streams)
        assert recording.duration_s >= 3
        assert [e.label for e in recording.events if e.kind == "mark"] == ["start squat"]
        assert all(stream.ended == "ended" for stream in recording.all_streams.values())
    until(lambda: number(page, "#body", "time") > 0, "tracking went on")


def test_calibration_leads_through_its_steps_and_tells_what_came_of_it(page, live):
    opened(page, live)
    page.route(
        "**/api/calibrate/start", lambda route: route.continue_(post_data='{"pace": 8}')
    )  # the same steps, in an eighth of the time
    page.click("#calibrate")
    until(lambda: re.search(r"Step \d+ of \d+", page.inner_text("#calibration")), "a step is told")
    assert len(page.inner_text("#cal-words")) > 20
    until(lambda: page.is_visible("#cal-result"), "it is done", 180.0)
    assert "pelvis" in page.inner_text("#cal-result")
    assert "left_forearm" in page.inner_text("#cal-result")
    (session,) = (live.folder / "sessions").glob("calibration-*.h5")
    with open_recording(session) as recording:
        assert {"n_pose", "t_pose", "elbows"} <= {e.label for e in recording.events if e.kind == "mark"}


def test_the_page_fits_a_phone(browser, live):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, device_scale_factor=2, is_mobile=True, has_touch=True,
        color_scheme="light", reduced_motion="reduce",
    )  # fmt: skip
    page = context.new_page()
    opened(page, live)
    until(lambda: number(page, "#picture", "pictures") > 1, "pictures are drawn")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    small = page.evaluate(
        """[...document.querySelectorAll('button')].filter(b => b.offsetParent && b.offsetHeight < 32)
        .map(b => b.id)"""
    )
    assert not small  # all can be hit with a finger
    assert page.evaluate("getComputedStyle(document.querySelector('.record .dot')).animationName") == "none"
    context.close()


def test_everything_has_a_name_and_is_reached_by_keys(page, live):
    opened(page, live)
    tree = page.locator("body").aria_snapshot()
    for name in ("Record", "Mark", "Calibrate sensors", "Heatmap", "Words for the mark"):
        assert name in tree, name
    unnamed = page.evaluate(
        """[...document.querySelectorAll('button, input, canvas, a, progress')].filter(e =>
        !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).map(e => e.outerHTML)"""
    )
    assert not unnamed
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"tab-live", "theme", "show-heat", "body", "record", "mark-label", "mark", "calibrate"} <= reached
    page.focus("#tab-live")
    page.keyboard.press("ArrowRight")
    assert page.is_visible("#drop")
    page.keyboard.press("ArrowLeft")
    assert page.is_visible("#picture")


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_words_can_be_read_on_their_ground(page, live, theme):
    """Contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3), in dark and light."""
    page.emulate_media(color_scheme=theme)
    opened(page, live)
    page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    poor = page.evaluate(
        """() => {
        const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92
          : ((v + 0.055) / 1.055) ** 2.4).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
        const ground = (e) => { for (; e; e = e.parentElement) {
          const c = rgb(getComputedStyle(e).backgroundColor);
          if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
        const words = [...document.querySelectorAll('h1, h2, button, p, td, th, span, label, li')];
        return words.filter(e => e.offsetParent && e.textContent.trim() && !e.children.length && !e.disabled
          && !e.closest('.veil')).map(e => {
          const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))];
          return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.textContent.trim().slice(0, 30)];
        }).filter(([ratio]) => ratio < 4.5); }"""
    )
    assert not poor


def test_privacy_mode_serves_no_pixel(page, private):
    sent: list[bytes] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: sent.append(frame)))
    opened(page, private)
    assert page.is_visible("#private")
    assert page.is_disabled("#show-picture")
    page.click("#show-heat")
    moves(page, "#picture")  # the skeleton alone
    asked = page.evaluate(
        """() => new Promise((done) => {
        const socket = new WebSocket(`ws://${location.host}/api/live`);
        let count = 0, pictures = 0;
        socket.binaryType = 'arraybuffer';
        const show = {picture: true, heatmap: true, traces: true};
        socket.onopen = () => socket.send(JSON.stringify({show}));
        socket.onmessage = (event) => {
          const bytes = new Uint8Array(event.data);
          const head = JSON.parse(new TextDecoder().decode(
            bytes.subarray(4, 4 + new DataView(event.data).getUint32(0, true))));
          if (head.view || bytes.some((b, i) => b === 255 && bytes[i + 1] === 216 && bytes[i + 2] === 255))
            pictures++;
          count++;
          if (count > 40) { socket.close(); done({count, pictures}); }
          else socket.send(JSON.stringify({ok: head.n}));
        }; })"""
    )  # even who asks for pictures gets none
    assert asked["count"] > 40
    assert asked["pictures"] == 0
    assert not any(b"\xff\xd8\xff" in message or b'"view"' in message for message in sent)
    assert number(page, "#picture", "pictures") == 0
    assert not list((private.folder / "out").glob("overlay*"))


def test_the_record_button_keeps_no_picture_in_privacy_mode(page, private):
    opened(page, private)
    page.click("#record")
    until(lambda: page.get_attribute("#record", "data-phase") == "recording", "it records")
    until(lambda: "Stop 0:03" in page.inner_text("#record"), "three seconds are recorded")
    page.click("#record")
    until(lambda: page.get_attribute("#record", "data-phase") in ("done", "failed"), "it is done")
    (path,) = (private.folder / "sessions").glob("*.h5")
    with open_recording(path) as recording:
        assert recording.all_streams["camera"].withheld
        assert "camera_markers" in recording.all_streams
    assert b"JFIF" not in path.read_bytes()
    assert all("was lost" in problem for problem in check(path).problems), check(path).problems

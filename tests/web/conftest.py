import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fixtures
from page_runs import CHROMIUM, PRIVATE, RIG, Run, pictures, write_film

weights = fixtures.weights


@pytest.fixture(scope="session")
def frames():
    return pictures(30)


@pytest.fixture(scope="session")
def film(tmp_path_factory, frames):
    return write_film(tmp_path_factory.mktemp("films") / "walk.mp4", frames)


@pytest.fixture(scope="module")
def serve(tmp_path_factory, weights):
    """``chorus serve``: uploads alone."""
    words = ("--port=0", "--vision=markers", f"--weights={weights}", "--max_mb=5", "--max_minutes=3")
    run = Run(tmp_path_factory.mktemp("serve"), "serve", *words)
    yield run
    assert run.end() == 0


def live_run(folder, weights, rig, *words):
    (folder / "rig.yaml").write_text(rig)
    own = ("--web", "--web_port=0", f"--weights={weights}", "--output=out", "--film=false")
    return Run(folder, "live", "rig.yaml", *own, *words)


@pytest.fixture(scope="module")
def live(tmp_path_factory, weights):
    """``chorus live RIG --web`` on a small simulated rig."""
    run = live_run(tmp_path_factory.mktemp("live"), weights, RIG)
    yield run
    assert run.end() == 0


@pytest.fixture(scope="module")
def private(tmp_path_factory, weights):
    """The same with a camera of which nothing is stored."""
    run = live_run(tmp_path_factory.mktemp("private"), weights, PRIVATE, "--film=true")
    yield run
    assert run.end() == 0


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A page whose every error is a failure."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    yield page
    context.close()
    assert not errors

"""Who may speak to the page."""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

import pytest
from page_runs import Run, until

from drivers.bus.socket import is_local
from fusion.commands.serve import serve as serve_verb
from fusion.web.config import PageConfig

pytestmark = pytest.mark.xdist_group("page-serve")


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """``chorus serve`` where others reach it."""
    run = Run(tmp_path_factory.mktemp("wide"), "serve", "--host=0.0.0.0", "--port=0", "--vision=markers")
    run.token = re.search(r"token=([\w-]+)", run.url)[1]
    run.url = f"http://127.0.0.1:{urlsplit(run.url).port}/"  # the same, by an address
    yield run
    assert run.end() == 0


def test_this_machine_needs_no_token(serve):
    assert serve.ask("GET", "/")[0] == 200
    assert "token" not in serve.url
    assert urlsplit(serve.url).hostname == "127.0.0.1"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "",
        "a@b",
        "[::",
    ],
)
def test_a_name_that_is_not_ours_is_refused(serve, host):
    """DNS rebinding: an attacker's name that leads here is still the attacker's."""
    status, _, _ = serve.ask("GET", "/api/about", host=host)
    assert status in (400, 421)


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "127.0.0.1", "[::1]:80"])
def test_our_own_names_are_answered(serve, host):
    assert serve.ask("GET", "/api/about", host=host)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_another_site_may_not_use_the_page(serve, headers):
    for method, path in (
        ("POST", "/api/uploads?name=x.mp4"),
        ("DELETE", "/api/uploads/x"),
        ("GET", "/api/uploads"),
    ):
        status, _, answer = serve.ask(method, path, b"x", **headers)
        assert status == 403, answer


def test_another_site_may_not_open_the_live_view(serve):
    upgrade = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec_websocket_version": "13",
        "sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    status, _, _ = serve.ask("GET", "/api/live", origin="http://evil.example", **upgrade)
    assert status == 403


def test_every_answer_carries_a_strict_policy(serve):
    for path in ("/", "/static/app.js", "/api/about", "/nothing"):
        _, headers, _ = serve.ask("GET", path)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_the_page_fetches_nothing_from_elsewhere(serve):
    _, _, html = serve.ask("GET", "/")
    assert not re.search(rb"https?://|\son\w+=|<script(?![^>]*src=\"/static/)|style=", html)
    for name in re.findall(rb'(?:src|href)="(/static/[^"]+)"', html):
        assert serve.ask("GET", name.decode())[0] == 200


def test_beyond_this_machine_a_token_lets_in(wide):
    for path in ("/", "/api/about", "/api/uploads", "/static/app.js"):
        status, _, answer = wide.ask("GET", path)
        assert status == 401
        assert b"token" in answer
    assert wide.ask("GET", "/?token=" + "x" * len(wide.token))[0] == 401
    assert wide.ask("GET", f"/api/about?token={wide.token}")[0] == 401  # only to enter
    assert wide.ask("GET", "/api/about", authorization=f"Bearer {wide.token}")[0] == 200
    status, headers, _ = wide.ask("GET", f"/?token={wide.token}")
    assert status == 303
    assert headers["location"] == "/"
    cookie = headers["set-cookie"]
    assert wide.token not in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert wide.ask("GET", "/api/about", cookie=cookie.partition(";")[0])[0] == 200
    assert wide.ask("GET", "/api/about", cookie="chorus_page=x")[0] == 401
    assert wide.ask("POST", "/api/uploads?name=x.mp4", b"x")[0] == 401


def test_the_token_is_printed_once_and_is_long(wide):
    assert sum(wide.token in line for line in wide.lines) == 1
    assert len(wide.token) >= 32


def test_beyond_this_machine_a_foreign_name_is_refused_even_with_the_token(wide):
    status, _, _ = wide.ask("GET", "/api/about", host="evil.example", authorization=f"Bearer {wide.token}")
    assert status == 421


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *((host, True) for host in ("127.0.0.1", "127.8.0.1", "localhost", "::1", "[::1]")),
        *((host, False) for host in ("0.0.0.0", "::", "192.168.1.7", "example.org")),
    ],
)
def test_what_is_reached_by_this_machine_only(host, loopback):
    assert is_local(host) == loopback
    assert PageConfig(host=host).local == loopback


def test_buttons_are_refused_in_words_where_nothing_is_live(serve):
    for path in ("/api/mark", "/api/record/start", "/api/calibrate/start"):
        body = b'{"label": "x"}' if path == "/api/mark" else b"{}"
        status, _, answer = serve.ask("POST", path, body)
        assert status == 409
        assert "chorus live" in json.loads(answer)["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"label": 3}', b'{"lable": "x"}', b"x" * 10_000])
def test_what_a_button_sends_is_refused_whole(serve, body):
    status, _, answer = serve.ask("POST", "/api/mark", body)
    assert status == 422
    assert json.loads(answer)["error"]


def test_a_port_that_is_taken_is_one_line(serve, capsys):
    from fusion.cli import run

    port = urlsplit(serve.url).port
    assert run("fusion.commands.serve", [f"--port={port}"], "chorus serve") == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(port) in said


@pytest.mark.parametrize(
    "words", [["--port=70000"], ["--host="], ["--max_mb=0"], ["--vision=eyes"], ["--keep_hours=-1"]]
)
def test_wrong_options_are_refused(words, capsys):
    from fusion.cli import run

    assert run("fusion.commands.serve", words, "chorus serve") in (1, 2)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_library_that_is_missing_is_told_with_its_mend(monkeypatch):
    import importlib.util

    from drivers.errors import MissingDependency

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "wsproto" else found(name))
    with pytest.raises(MissingDependency, match=r"wsproto.*chorus-fusion\[web\]"):
        serve_verb()


def test_uploads_end_with_their_page(tmp_path, weights, film):
    """What is half-done when the page ends is gone; what is done is there again."""
    words = ("serve", "--port=0", "--vision=markers", f"--weights={weights}")
    run = Run(tmp_path, *words)
    body = film.read_bytes()
    _, _, answer = run.ask("POST", "/api/uploads?name=a.mp4", body)
    key = json.loads(answer)["id"]
    until(lambda: run.json("GET", f"/api/uploads/{key}")["state"] == "done", "it is tracked")
    run.ask("POST", "/api/uploads?name=b.mp4", body)
    assert run.end() == 0
    again = Run(tmp_path, *words)
    (left,) = again.json("GET", "/api/uploads")
    assert left["id"] == key
    assert again.ask("GET", left["files"][0]["url"])[0] == 200
    assert again.end() == 0
    assert [path.name for path in (tmp_path / "sessions" / "uploads").iterdir()] == [key]

"""Uploads over HTTP: what is taken, what is refused, and that nothing is left of what is not."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from page_runs import VIDEOS, Run, until, write_film

pytestmark = pytest.mark.xdist_group("page-serve")


def send(run: Run, name: str, body: bytes) -> tuple[int, dict]:
    status, _, answer = run.ask("POST", f"/api/uploads?name={quote(name, safe='')}", body)
    return status, json.loads(answer)


def tracked(run: Run, key: str) -> dict:
    def over():
        told = run.json("GET", f"/api/uploads/{key}")
        return told if told["state"] in ("done", "failed", "cancelled") else None

    return until(over, f"{key} is over", 180.0)


def files_left(run: Run) -> list[Path]:
    folder = run.folder / "sessions" / "uploads"
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


def gone(run: Run, key: str) -> None:
    run.json("DELETE", f"/api/uploads/{key}")
    assert not files_left(run)


@pytest.mark.parametrize("suffix", VIDEOS)
def test_a_film_of_each_format_comes_back_with_its_skeleton(serve, frames, tmp_path, suffix):
    path = write_film(tmp_path / f"walk{suffix}", frames)
    status, told = send(serve, path.name, path.read_bytes())
    assert status == 201, told
    done = tracked(serve, told["id"])
    assert done["state"] == "done", done
    assert done["summary"]["frames"] == len(frames)
    assert done["summary"]["seen"] > 0.8
    names = [made["name"] for made in done["files"]]
    assert names[:3] == ["walk_overlay.mp4", "walk_poses.csv", "walk_summary.json"]
    assert names[-1] == "walk_all.zip"
    bodies = {made["name"]: serve.ask("GET", made["url"]) for made in done["files"]}
    assert all(status == 200 for status, _, _ in bodies.values())
    assert bodies["walk_overlay.mp4"][2][4:8] == b"ftyp"
    assert len(bodies["walk_poses.csv"][2].splitlines()) == 1 + 20 * done["summary"]["poses"]
    shots = [name for name in names if name.endswith(".jpg")]
    assert shots
    assert bodies[shots[0]][2][:2] == b"\xff\xd8"
    packed = zipfile.ZipFile(io.BytesIO(bodies["walk_all.zip"][2]))
    assert packed.testzip() is None
    assert len(packed.namelist()) == len(names) - 1
    gone(serve, told["id"])


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_picture_comes_back_with_its_skeleton(serve, frames, suffix):
    body = cv2.imencode(suffix, frames[0])[1].tobytes()
    _, told = send(serve, f"me{suffix}", body)
    done = tracked(serve, told["id"])
    assert done["state"] == "done", done
    shots = [made for made in done["files"] if made["name"].endswith(".jpg")]
    assert len(shots) == 1
    assert not any(made["name"].endswith(".mp4") for made in done["files"])
    drawn = cv2.imdecode(np.frombuffer(serve.ask("GET", shots[0]["url"])[2], np.uint8), 1)
    assert drawn.shape == frames[0].shape
    assert abs(drawn.astype(int) - frames[0]).max() > 60  # a skeleton is on it
    gone(serve, told["id"])


@pytest.mark.parametrize(
    ("name", "body", "status", "words"),
    [
        ("notes.mp4", b"just words, whatever the name says\n" * 50, 415, "no video or picture"),
        ("empty.mp4", b"", 422, "is empty"),
        ("short.mp4", b"x", 415, "no video or picture"),
        ("page.jpg", b"<html><script>alert(1)</script></html>", 415, "no video or picture"),
        ("large.mp4", b"\0\0\0\x18ftypmp42" + b"\0" * 5_000_000, 413, "more than the 5 MB"),
    ],
)
def test_what_is_no_film_is_refused_in_words_and_nothing_stays(serve, name, body, status, words):
    got, told = send(serve, name, body)
    assert got == status, told
    assert name in told["error"]
    assert words in told["error"]
    assert not files_left(serve)


def test_five_gigabytes_are_refused_before_they_come(serve):
    status, _, answer = serve.ask("POST", "/api/uploads?name=huge.mp4", content_length=str(5 << 30))
    assert status == 413
    assert "5369 MB" in json.loads(answer)["error"]
    assert not files_left(serve)


def test_a_film_that_grows_beyond_what_is_taken_is_cut_off(serve):
    def without_end():
        yield b"\0\0\0\x18ftypmp42"
        for _ in range(8):
            yield b"\0" * 1_000_000

    def chunked():
        for part in without_end():
            yield b"%x\r\n" % len(part) + part + b"\r\n"
        yield b"0\r\n\r\n"

    try:
        status, _, answer = serve.ask(
            "POST", "/api/uploads?name=x.mp4", chunked(), transfer_encoding="chunked"
        )
        assert status == 413, answer
    except ConnectionError:
        pass  # it was cut off while it was being sent
    until(lambda: not files_left(serve), "nothing is left")


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_truncated_film_is_told_and_nothing_stays(serve, film, share):
    whole = film.read_bytes()
    _, told = send(serve, "cut.mp4", whole[: int(len(whole) * share)])
    over = tracked(serve, told["id"])
    assert over["state"] == "failed"
    assert "cut.mp4" in over["what"]
    assert "cut off" in over["what"] or "damaged" in over["what"]
    assert not files_left(serve)


def test_a_truncated_film_that_begins_with_its_index_is_told(serve, frames, tmp_path):
    path = write_film(tmp_path / "walk.mkv", frames * 3)
    whole = path.read_bytes()
    _, told = send(serve, "cut.mkv", whole[: len(whole) // 3])
    over = tracked(serve, told["id"])
    assert over["state"] == "failed", over
    assert "cut.mkv" in over["what"]
    assert not files_left(serve)


def test_an_upload_that_breaks_off_leaves_nothing(serve, film):
    whole = film.read_bytes()
    parts = _broken(iter([whole[:1000]]))
    with pytest.raises(OSError):
        serve.ask("POST", "/api/uploads?name=x.mp4", parts, content_length=str(len(whole)))
    until(lambda: not files_left(serve) and not receiving(serve), "nothing is left")


def _broken(parts):
    yield next(parts)
    raise ConnectionError("the phone is gone")


def receiving(run: Run) -> bool:
    return any(upload["state"] == "receiving" for upload in run.json("GET", "/api/uploads"))


NAMES = (
    *("../../../etc/passwd.mp4", "..\\..\\boot.mp4", "/etc/cron.d/x.mp4", "a\0b.mp4", "%2e%2e/x.mp4"),
    *("." * 400, "\u202egpj.mp4", "<img src=x onerror=alert(1)>.mp4"),
)


def test_a_name_never_becomes_a_path(serve, frames, tmp_path):
    body = write_film(tmp_path / "x.mp4", frames[:3]).read_bytes()
    inside = serve.folder / "sessions" / "uploads"
    before = {path for path in serve.folder.rglob("*") if not path.is_relative_to(inside)}
    for name in NAMES:
        status, told = send(serve, name, body)
        assert status == 201, told
        assert not set(told["name"]) & set("/\\\0\u202e")
        assert 1 <= len(told["name"]) <= 100
        assert tracked(serve, told["id"])["state"] == "done", name
        folders = [path.name for path in inside.iterdir()]
        assert folders == [told["id"]]
        gone(serve, told["id"])
    assert {path for path in serve.folder.rglob("*") if not path.is_relative_to(inside)} == before


@pytest.mark.parametrize(
    "path",
    [
        *("/static/../server.py", "/static/..%2fserver.py", "/static/%2e%2e%2f%2e%2e%2fcli.py"),
        *("/static//etc/passwd", "/api/uploads/..%2f..%2fetc/files/0", "/api/uploads/x/files/0"),
        *("/api/uploads/x/files/..%2f..%2fx", "/openapi.json", "/docs"),
    ],
)
def test_no_path_from_outside_is_served(serve, path):
    status, _, body = serve.ask("GET", path)
    assert status in (404, 422)
    assert b"import" not in body
    assert b"root:" not in body


def test_ten_at_once_leave_the_server_up(serve, film):
    bodies = [film.read_bytes(), b"words\n" * 4000, film.read_bytes()[:900], b""]
    answers: list[tuple[int, dict]] = []

    def one(number: int) -> None:
        answers.append(send(serve, f"film {number}.mp4", bodies[number % len(bodies)]))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 10
    taken = [told["id"] for status, told in answers if status == 201]
    refused = [(status, told) for status, told in answers if status != 201]
    assert {status for status, _ in refused} <= {413, 415, 422, 429}
    assert all(told["error"] for _, told in refused)
    for key in taken:
        over = tracked(serve, key)
        assert over["state"] in ("done", "failed")
        serve.json("DELETE", f"/api/uploads/{key}")
    assert not files_left(serve)
    assert serve.ask("GET", "/")[0] == 200


def test_a_job_is_ended_by_deleting_its_upload(serve, frames, tmp_path):
    path = write_film(tmp_path / "long.mp4", frames * 20)
    _, told = send(serve, path.name, path.read_bytes())
    until(lambda: serve.json("GET", f"/api/uploads/{told['id']}")["state"] == "running", "it runs")
    gone(serve, told["id"])
    assert serve.ask("GET", f"/api/uploads/{told['id']}")[0] == 404

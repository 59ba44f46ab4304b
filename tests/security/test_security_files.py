"""Names that are paths, archives and pictures that burst, code in a checkpoint, keys that lie open."""

from __future__ import annotations

import io
import os
import pickle
import re
import stat
import tarfile
import zipfile

import cv2
import numpy as np
import pytest

from drivers.base import StreamInfo
from drivers.bus import keys, wire
from drivers.camera.pictures import MAX_PIXELS, decoded, jpeg_size
from drivers.errors import BusError, ConfigError, DataError, WeightsError, WireError
from drivers.rig import load_rig
from fusion.cli import main
from recordings.importers.archive import unpacked
from recordings.recorder import default_output
from recordings.stream_reader import decode

PATHS = ("../up", "/etc/passwd", "a/b", "..", "a\\b", "a\nb", "a\0b", "wrist\n", "")


@pytest.mark.parametrize("name", PATHS)
def test_no_stream_is_named_by_a_path(name):
    with pytest.raises(WireError):
        wire.check_info(StreamInfo(name=name, kind="imu"))
    assert wire.stream_of(f"d/{name}/".encode()) is None
    hello = wire._encoder.encode(["hello", 1, "publisher", "h", name, 1, None])
    from drivers.bus import control

    with pytest.raises(WireError):
        control.from_client([hello])


@pytest.mark.parametrize("name", [name for name in PATHS if name])
def test_no_session_is_written_where_its_name_leads(name, tmp_path):
    rig = tmp_path / "rig.yaml"
    rig.write_text("streams: {wrist: {driver: simulator.imu}}\n")
    if name == "wrist\n":
        return  # YAML takes the end of the line off: the name is good
    with pytest.raises(ConfigError):
        load_rig(rig, [f'--name="{name.encode("unicode_escape").decode()}"'])


def test_a_session_is_a_file_in_its_folder(tmp_path):
    rig = tmp_path / "rig.yaml"
    rig.write_text("name: walk 2.b\nstreams: {wrist: {driver: simulator.imu}}\n")
    assert default_output(load_rig(rig), tmp_path).parent == tmp_path


class Bomb:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("form", ["torch", "bare"])
def test_code_in_a_checkpoint_is_not_run(form, tmp_path):
    from fusion.model.checkpoint import load_net

    left, path = tmp_path / "left", tmp_path / "evil.ckpt"
    evil = pickle.dumps({"state_dict": {}, "hyper_parameters": Bomb(left)}, protocol=2)
    if form == "bare":
        path.write_bytes(evil)
    else:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("evil/data.pkl", evil)
            file.writestr("evil/version", "3\n")
    with pytest.raises(WeightsError):
        load_net(path)
    assert not left.exists()
    pickle.loads(evil)["hyper_parameters"].close()  # the attack itself is real
    assert left.exists()


def picture(height, width):
    """A small true JPEG whose header promises another size."""
    made = bytearray(cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes())
    at = made.index(b"\xff\xc0")
    made[at + 5 : at + 9] = height.to_bytes(2) + width.to_bytes(2)
    return bytes(made)


def test_a_picture_that_promises_too_much_is_not_decoded():
    assert decoded(picture(16, 16)) is not None
    huge = picture(65500, 65500)
    assert jpeg_size(huge) == (65500, 65500)
    assert MAX_PIXELS < 65500 * 65500
    for read in (decoded, decode):
        assert read(huge) is None
    from fusion.features.offline import decode as strict

    with pytest.raises(ConfigError, match="no JPEG"):
        strict(huge)


def test_other_formats_are_not_tried_as_pictures():
    png = cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    assert decoded(png) is None
    assert decode(png) is None
    assert decode(b"") is None


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def member(name, size=0, kind=tarfile.REGTYPE, link=""):
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname = size, kind, link
    return made


class Zeros(io.RawIOBase):
    """So many bytes that are never in memory."""

    def __init__(self, size):
        self.left = size

    def read(self, size=-1):
        taken = min(size, self.left)
        self.left -= taken
        return bytes(taken)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_of_an_archive_that_swells_is_refused(kind, tmp_path, cache):
    """Such a header is read whole into memory before the member it belongs to is counted."""
    path = tmp_path / "set.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        tar.addfile(member("x", 8 << 20, kind), Zeros(8 << 20))
    with pytest.raises(DataError, match="claims 8388608 bytes"):
        unpacked(path, "Set", "data")
    assert not any(one.is_file() for one in cache.rglob("*"))


def test_an_archive_larger_than_data_sets_are_is_refused_before_it_is_written(tmp_path, cache):
    path = tmp_path / "set.tar"
    with path.open("wb") as file:  # a member that claims 5 GB
        file.write(member("data/big", 5 << 30).tobuf())
        file.write(bytes(1024))
    with pytest.raises(DataError, match="larger"):
        unpacked(path, "Set", "data")
    assert not any(one.is_file() for one in cache.rglob("*"))


@pytest.mark.parametrize(
    "evil",
    [
        member("../../evil"),
        member("/tmp/evil"),
        member("data/link", kind=tarfile.SYMTYPE, link="../../.."),
        member("data/hard", kind=tarfile.LNKTYPE, link="/etc/passwd"),
        member("data/device", kind=tarfile.CHRTYPE),
    ],
    ids=lambda one: one.name,
)
def test_nothing_of_an_archive_lands_outside_and_no_link_inside(evil, tmp_path, cache):
    path = tmp_path / "set.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(member("data/good", 4), io.BytesIO(b"good"))
        tar.addfile(evil, io.BytesIO(b""))
    try:
        unpacked(path, "Set", "data")
    except DataError:
        pass
    assert not [one for one in tmp_path.rglob("*") if one.name == "evil" and cache not in one.parents]
    for one in cache.rglob("*"):
        assert one.resolve().is_relative_to(cache.resolve())
        assert one.is_dir() or stat.S_ISREG(one.lstat().st_mode)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CHORUS_KEYS", str(tmp_path / "config" / "keys"))
    return tmp_path / "config" / "keys"


def test_the_secret_is_its_users_alone_and_never_shown(folder, capsys):
    old = os.umask(0)
    try:
        assert main(["keys", "new"]) == 0
    finally:
        os.umask(old)
    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert main(["keys", "list"]) == 0
    assert main(["keys", "new"]) == 1  # never overwritten
    said = capsys.readouterr()
    own = keys.own_keys()
    assert own is not None
    assert keys.to_hex(own.public) in said.out
    for secret in (keys.to_hex(own.secret), own.secret.decode()):
        assert secret not in said.out + said.err + repr(own)


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_a_secret_that_others_can_read_is_not_used(folder):
    keys.new_keys()
    (folder / "secret").chmod(0o640)
    with pytest.raises(BusError, match="other users"):
        keys.own_keys()


def test_keys_are_allowed_listed_and_revoked(folder, capsys):
    key = "0123456789abcdef" * 4
    assert main(["keys", "allow", key, "--name", "pi", "--role=publish,subscribe", "--streams=camera"]) == 0
    assert main(["keys", "list"]) == 0
    assert re.search(r"pi\s+publish, subscribe\s+camera", capsys.readouterr().out)
    entry = keys.AllowList().get(key)
    assert entry is not None
    assert (entry.roles, entry.streams) == ({"publish", "subscribe"}, {"camera"})
    assert stat.S_IMODE((folder / "allowed").stat().st_mode) == 0o600
    assert main(["keys", "revoke", "pi"]) == 0
    assert keys.AllowList().get(key) is None
    assert main(["keys", "revoke", "pi"]) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["allow", "abc"],
        ["allow", "0" * 64, "--role=admin"],
        ["allow", "0" * 64, "--streams=../x"],
        ["allow", "0" * 64, "--name", "two\nlines"],
        ["allow"],
        ["steal"],
    ],
)
def test_what_is_no_key_role_or_name_is_refused_and_nothing_written(arguments, folder, capsys):
    assert main(["keys", *arguments]) in (1, 2)
    assert capsys.readouterr().err.count("\n") == 1
    assert not folder.exists()


def test_a_damaged_list_lets_nobody_in(folder, caplog):
    key = "0" * 64
    listed = keys.AllowList()
    listed.allow(key, ["publish"], [], "pi")
    assert listed.get(key) is not None
    with (folder / "allowed").open("a") as file:
        file.write("not a line\n")
    assert listed.get(key) is None
    assert "line 2" in caplog.text

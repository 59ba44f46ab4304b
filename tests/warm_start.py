"""Runs of the real command line in processes that begin with their libraries loaded.

::

    run() ── folder, words, environment ──> server, libraries loaded ── fork ──> keeper ── fork ──> program
      └──────────────────── process id, then exit status <─────────────────────────┘

Each run is a process of its own with its own folder, environment, streams and exit status, and imports Chorus
anew, as ``python -m fusion.cli`` does. To load numpy, HDF5 and PyTorch again for every word that is refused
would be most of what the tests of the command line do.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("numpy", "scipy.spatial", "h5py", "zmq", "msgspec", "yaml", "cv2", "av", "rich", "torch")


def run(folder: Path, *argv: str, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run ``chorus`` with these words in a folder, or ``live.py`` and ``train.py``, to its end."""
    with tempfile.TemporaryDirectory() as beside, socket.socket(socket.AF_UNIX) as keeper:
        keeper.connect(_server())
        out, err = Path(beside) / "out", Path(beside) / "err"
        asked = {"folder": str(folder), "argv": argv, "environment": dict(os.environ)}
        asked |= {"stdout": str(out), "stderr": str(err)}
        keeper.sendall(json.dumps(asked).encode() + b"\n")
        keeper.settimeout(timeout_s)
        with keeper.makefile() as told:
            pid = int(told.readline())
            try:
                code = int(told.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(argv, code, out.read_text(), err.read_text())


@functools.cache
def _server() -> str:
    """Start the server of this process; return the path of its socket."""
    folder = tempfile.TemporaryDirectory(prefix="chorus-")
    path = f"{folder.name}/socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        command = [sys.executable, __file__, str(listener.fileno())]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[listener.fileno()])

    def stop() -> None:
        server.communicate()
        folder.cleanup()

    atexit.register(stop)
    return path


def _serve(listener: socket.socket) -> None:
    """Fork a keeper for each run, until standard input closes."""
    for name in LIBRARIES:
        importlib.import_module(name)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.collect()
    gc.freeze()  # so that no run looks through, and copies, what the libraries made
    keepers: set[int] = set()
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if 0 in ready:
            break
        connection, _ = listener.accept()
        if not (pid := os.fork()):
            listener.close()
            _keep(connection)
        connection.close()
        keepers.add(pid)
        keepers -= {over for over in keepers if os.waitpid(over, os.WNOHANG)[0]}
    for pid in keepers:
        os.waitpid(pid, 0)


def _keep(connection: socket.socket) -> None:
    """Fork the program, and tell what becomes of it."""
    with connection.makefile() as words:
        asked = json.loads(words.readline())
    if not (pid := os.fork()):
        connection.close()
        _become(asked)
    connection.sendall(b"%d\n" % pid)
    _, status = os.waitpid(pid, 0)
    connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(asked: dict[str, Any]) -> NoReturn:
    """Go on as the program that was asked for."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    for descriptor, path in enumerate([os.devnull, asked["stdout"], asked["stderr"]]):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT if descriptor else os.O_RDONLY, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    script, code = ROOT / asked["argv"][0], 0
    try:
        if script.suffix == ".py":
            sys.argv, sys.path[0] = [str(script), *asked["argv"][1:]], str(ROOT)
            runpy.run_path(str(script), run_name="__main__")
        else:
            sys.argv, sys.path[0] = ["chorus", *asked["argv"]], asked["folder"]
            runpy.run_module("fusion.cli", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:  # as the interpreter ends, but for freeing all that the libraries made
        threading._shutdown()  # pyright: ignore
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))

"""``chorus devices --probe`` on pseudo-terminals: what speaks there and how; nothing else is touched."""

from __future__ import annotations

import json
import os
import sys

import pytest
from device_wires import Uart

from benchmarks.devices.wires import wires
from drivers.imu.serial.probe import held, probe
from drivers.imu.serial.protocols import Candidates
from fusion.commands.devices import main

WIRES = {wire.name: wire for wire in wires(seed=6)}


def test_a_port_says_protocol_baud_rate_rate_and_channels():
    wire, uart = WIRES["bno08x"], Uart(9600)
    try:
        uart.let_go()
        uart.send_paced([wire.send(k) for k in range(20000)], wire.rate_hz)
        heard = probe(uart.path, patience_s=2.0)
    finally:
        uart.unplug()
    assert (heard.protocol, heard.baudrate, heard.rate_hz, heard.problem) == ("bno08x", 9600, 100, "")
    assert heard.channels == wire.parser().channels


def test_lines_are_shown_and_their_meaning_is_not_guessed():
    wire, uart = WIRES["lines"], Uart(115200)
    try:
        uart.let_go()
        uart.send_paced([wire.send(k) for k in range(20000)], wire.rate_hz)
        heard = probe(uart.path, patience_s=2.0)
    finally:
        uart.unplug()
    assert heard.protocol == ""
    assert "lines such as" in heard.problem
    assert "columns" in heard.mend


def test_a_silent_port_says_so(port):
    port.let_go()
    assert "sent nothing" in probe(port.path, patience_s=0.3).problem


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="who holds a port is known on Linux")
def test_a_port_that_somebody_holds_is_not_touched():
    wire, uart = WIRES["witmotion"], Uart(115200)
    try:
        uart.let_go()
        assert not held(uart.path)
        holder = os.open(uart.path, os.O_RDONLY | os.O_NOCTTY)
        try:
            os.write(uart.master, wire.send(0))
            heard = probe(uart.path)
            assert "in use" in heard.problem
            assert os.read(holder, 1000) == wire.send(0)  # still there for its holder
        finally:
            os.close(holder)
    finally:
        uart.unplug()


def test_a_port_that_does_not_exist_says_so():
    assert "no port" in probe("/dev/ttyNOTHERE7").problem


def test_the_command_prints_a_line_for_the_rig(capsys):
    wire, uart = WIRES["xsens"], Uart(115200)
    try:
        uart.let_go()
        uart.send_paced([wire.send(k) for k in range(40000)], wire.rate_hz)
        assert main(["--probe", f"--ports={uart.path}"], "chorus devices") == 0
        said = capsys.readouterr().out
        assert f"{{driver: imu.serial, port: {uart.path}, protocol: xsens, baudrate: 115200}}" in said
        assert "400 Hz" in said
        assert main(["--probe", f"--ports={uart.path}", "--json"], "chorus devices") == 0
        (tree,) = json.loads(capsys.readouterr().out)
        assert (tree["kind"], tree["name"], tree["heard"]["protocol"]) == ("serial", uart.path, "xsens")
    finally:
        uart.unplug()


def test_without_being_asked_nothing_is_opened(capsys):
    uart = Uart(115200)
    try:
        uart.let_go()
        assert main([f"--ports={uart.path}", "--json"], "chorus devices") == 0
        (tree,) = json.loads(capsys.readouterr().out)
        assert "heard" not in tree
        assert not held(uart.path)
    finally:
        uart.unplug()


def test_text_is_text_though_its_first_bytes_were_cut():
    heard = Candidates({})
    heard.feed(b"\xfe\x801.5,2.5\r\n" + b"0.1,0.2,9.8\r\n" * 5 + b"0.1,", 0)
    assert heard.text == "0.1,0.2,9.8"
    noise = Candidates({})
    noise.feed(bytes(range(256)) * 12, 0)
    assert noise.text == ""

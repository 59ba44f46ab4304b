"""Why a serial port could not be opened, as typed faults with their mends."""

from __future__ import annotations

import errno

from drivers.errors import DeviceError, Fault


def no_port(stream: str, what: str) -> DeviceError:
    """Say that a port is not there, and which are."""
    from drivers.discovery import serial_ports

    ports = ", ".join(found.name for found in serial_ports()) or "none"
    return DeviceError(stream, Fault.NOT_FOUND, what, mend=f"Set 'port'; ports found: {ports}")


def port_error(stream: str, port: str, baudrate: int, error: Exception) -> DeviceError:
    """Turn what pyserial says into a typed fault."""
    number = getattr(error, "errno", None) or _errno_within(str(error))
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR):
        return no_port(stream, f"there is no port {port}")
    if number in (errno.EACCES, errno.EPERM):
        return DeviceError(
            stream,
            Fault.PERMISSION,
            f"no permission to open {port}",
            mend="Run 'sudo usermod -aG dialout $USER', then log in again",
        )
    if number in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in str(error):
        return DeviceError(
            stream,
            Fault.BUSY,
            f"{port} is in use by another program",
            mend=f"Close the program that holds it; 'fuser {port}' names it",
        )
    if number in (errno.ENOTTY, errno.EISDIR):
        return DeviceError(
            stream, Fault.UNSUPPORTED, f"{port} is not a serial port", mend="Set 'port' to a serial port"
        )
    if isinstance(error, ValueError):
        return DeviceError(
            stream,
            Fault.UNSUPPORTED,
            f"{port} does not do {baudrate} baud",
            mend="Set 'baudrate' to a rate the port has, such as 115200",
        )
    return DeviceError(
        stream, Fault.FAILED, f"{port} cannot be opened: {error}", mend="Check that 'port' is the right one"
    )


def _errno_within(text: str) -> int | None:
    """Find the number in pyserial's ``Could not configure port: (25, '...')``."""
    _, _, tail = text.partition("(")
    digits = tail.partition(",")[0]
    return int(digits) if digits.isdigit() else None

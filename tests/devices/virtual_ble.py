"""A Bluetooth LE sensor on a virtual radio, and bleak's way to it.

Both ends are bumble, Google's Bluetooth stack: two controllers on one virtual link, HCI, L2CAP, ATT and GATT
between them as on the air. :class:`Central` is to bleak what a system's Bluetooth service is: a backend.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bumble import core, hci
from bumble.controller import Controller
from bumble.device import Device, Peer
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink

HERE, SENSOR = "F0:F0:F0:F0:F0:F0", "D4:22:CD:00:12:34"
DATA, COMMAND = "6e400003-b5a3-f393-e0a9-e50e24dcca9e", "6e400002-b5a3-f393-e0a9-e50e24dcca9e"
"""UUIDs of a board's data and of what it is told."""
FLAGS = ("read", "write", "notify", "write-without-response")


class Air:
    """A loop in a thread with two radios on one link: ours, and the sensor's.

    Args:
        name: that the sensor advertises.
        notify: UUID of the characteristic that notifies.
        control: UUIDs of those that are written to.

    Attributes:
        written: (UUID, data) of all that was written to the sensor.
        subscribed: set while notifications are on.
    """

    def __init__(self, name: str, notify: str, control: tuple[str, ...] = ()) -> None:
        self.written: list[tuple[str, bytes]] = []
        self.subscribed = threading.Event()
        self.on_write: Callable[[str, bytes], None] = lambda *_: None
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.call(self._start(name, notify, control))

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run on the air's loop, from any other thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    async def _start(self, name: str, notify: str, control: tuple[str, ...]) -> None:
        link = LocalLink()
        devices = []
        for address in (HERE, SENSOR):
            controller = Controller(address, link=link, public_address=address)
            host = Host(controller, AsyncPipeSink(controller))
            devices.append(Device(name=name, address=hci.Address(address), host=host))
        self.here, self.sensor = devices
        self.value = Characteristic(
            core.UUID(notify), Characteristic.Properties.NOTIFY, Characteristic.Permissions.READABLE, b""
        )
        self.value.on(
            self.value.EVENT_SUBSCRIPTION,
            lambda _, notifying, __: self.subscribed.set() if notifying else self.subscribed.clear(),
        )
        controls = [
            Characteristic(
                core.UUID(uuid),
                Characteristic.Properties.WRITE | Characteristic.Properties.READ,
                Characteristic.Permissions.WRITEABLE | Characteristic.Permissions.READABLE,
                CharacteristicValue(write=lambda _, data, uuid=uuid: self._written(uuid, data)),
            )
            for uuid in control
        ]
        self.sensor.add_service(
            Service(core.UUID("15172000-4947-11e9-8646-d663bd873d93"), [self.value, *controls])
        )
        for device in devices:
            await device.power_on()
        data = core.AdvertisingData([(core.AdvertisingData.COMPLETE_LOCAL_NAME, name.encode())])
        self.sensor.advertising_data = bytes(data)
        await self.advertise()

    async def advertise(self) -> None:
        await self.sensor.start_advertising(auto_restart=True, advertising_interval_min=20)

    def _written(self, uuid: str, data: bytes) -> None:
        self.written.append((uuid, bytes(data)))
        self.on_write(uuid, bytes(data))

    def notify(self, *packets: bytes) -> None:
        """Send notifications, from any other thread."""

        async def send() -> None:
            for packet in packets:
                await self.sensor.notify_subscribers(self.value, packet)

        self.call(send())

    def vanish(self) -> None:
        """Cut the link and stop advertising, as a sensor that is switched off."""

        async def cut() -> None:
            self.sensor.advertising_data = b""
            await self.sensor.stop_advertising()
            for connection in list(self.sensor.connections.values()):
                await connection.disconnect()

        self.call(cut())

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Sending:
    """A sensor that notifies on its own clock once it was subscribed to and, if it has commands, started."""

    def __init__(
        self, air: Air, packets: Callable[[int], bytes], period_s: float, lost: tuple[int, ...] = ()
    ) -> None:
        self.air, self.packets, self.period_s, self.lost = air, packets, period_s, lost
        self.sent = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self.air.subscribed.wait(0.05):
            if self._stop.is_set():
                return
        for n in range(10_000):
            self.sent = n
            if self._stop.wait(self.period_s):
                return
            if n not in self.lost:
                self.air.notify(self.packets(n))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


async def over(air: Air, work: Coroutine[Any, Any, Any]) -> Any:
    """Await on bleak's loop what runs on the air's."""
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, air.loop))


class Scanner(BaseBleakScanner):
    """bleak's scanner on our radio."""

    air: ClassVar[Air]

    def __init__(self, detection_callback: Any, service_uuids: Any, scanning_mode: Any, **_: Any) -> None:
        super().__init__(detection_callback, service_uuids)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._heard = lambda advertisement: loop.call_soon_threadsafe(self._on_advertisement, advertisement)
        self.air.here.on(Device.EVENT_ADVERTISEMENT, self._heard)
        await over(self.air, self.air.here.start_scanning(filter_duplicates=False))

    async def stop(self) -> None:
        self.air.here.remove_listener(Device.EVENT_ADVERTISEMENT, self._heard)
        await over(self.air, self.air.here.stop_scanning())

    def _on_advertisement(self, advertisement: Any) -> None:
        address = str(advertisement.address).partition("/")[0]
        name = advertisement.data.get(core.AdvertisingData.COMPLETE_LOCAL_NAME)
        data = AdvertisementData(name, {}, {}, [], None, advertisement.rssi, ())
        device = self.create_or_update_device(address, address, name, advertisement.address, data)
        self.call_detection_callbacks(device, data)


class Central(BaseBleakClient):
    """bleak's client on our radio."""

    air: ClassVar[Air]

    def __init__(self, address_or_ble_device: Any, services: Any = None, **options: Any) -> None:
        for unused in ("bluez", "winrt"):
            options.pop(unused)
        super().__init__(address_or_ble_device, **options)
        self._peer_address = address_or_ble_device.details
        self._peer: Peer | None = None

    @property
    def mtu_size(self) -> int:
        return self._connection.att_mtu

    @property
    def is_connected(self) -> bool:
        return self._peer is not None

    async def connect(self, pair: bool, **_: Any) -> None:
        loop = asyncio.get_running_loop()

        async def join() -> tuple[Any, Peer]:
            connection = await self.air.here.connect(self._peer_address, timeout=self._timeout)
            connection.on(
                connection.EVENT_DISCONNECTION, lambda _: loop.call_soon_threadsafe(self._on_disconnected)
            )
            peer = Peer(connection)
            await peer.request_mtu(247)
            await peer.discover_all()
            return connection, peer

        self._connection, self._peer = await over(self.air, join())
        self.services = BleakGATTServiceCollection()
        for proxy in self._peer.services:
            service = BleakGATTService(proxy, proxy.handle, str(proxy.uuid).lower())
            self.services.add_service(service)
            for found in proxy.characteristics:
                flags = [flag for flag in FLAGS if flag.upper().replace("-", "_") in str(found.properties)]
                uuid = found.uuid.to_hex_str("-").lower()
                self.services.add_characteristic(
                    BleakGATTCharacteristic(
                        found, found.handle, uuid, flags, lambda: self.mtu_size - 3, service
                    )
                )

    def _on_disconnected(self) -> None:
        self._peer = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    async def disconnect(self) -> None:
        if self._peer is not None:
            await over(self.air, self._connection.disconnect())

    async def start_notify(self, characteristic: Any, callback: Any, **_: Any) -> None:
        loop = asyncio.get_running_loop()
        heard = lambda value: loop.call_soon_threadsafe(callback, bytearray(value))  # noqa: E731
        await over(self.air, characteristic.obj.subscribe(heard))

    async def stop_notify(self, characteristic: Any) -> None:
        await over(self.air, characteristic.obj.unsubscribe())

    async def write_gatt_char(self, characteristic: Any, data: Any, response: bool) -> None:
        await over(self.air, characteristic.obj.write_value(bytes(data), with_response=response))

    async def read_gatt_char(self, characteristic: Any, **_: Any) -> bytearray:
        return bytearray(await over(self.air, characteristic.obj.read_value()))

    async def pair(self, *_: Any, **__: Any) -> None:
        raise NotImplementedError

    async def unpair(self) -> None:
        raise NotImplementedError

    async def read_gatt_descriptor(self, descriptor: Any, **_: Any) -> bytearray:
        raise NotImplementedError

    async def write_gatt_descriptor(self, descriptor: Any, data: Any) -> None:
        raise NotImplementedError


def on_air(driver: type, air: Air) -> type:
    """Return the driver's class with bleak on our radio instead of the system's."""
    central = type("CentralHere", (Central,), {"air": air})
    scanner = type("ScannerHere", (Scanner,), {"air": air})
    return type("OnAir", (driver,), {"client": {"backend": central}, "scanner": {"backend": scanner}})

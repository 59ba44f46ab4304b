"""Who may speak to the page: the right name, the right origin, and beyond this machine the right token.

A page on 127.0.0.1 is reached by every other page that the same browser shows. Three things keep those out:

* **Host.** A name that an attacker's DNS server maps to this machine (DNS rebinding) is still *their* name
  in the header: only this machine's own names and bare addresses are answered.
* **Origin**, ``Sec-Fetch-Site``. A request that another page makes says so.
* **Token**, where others reach the page. It is compared in constant time, and once used, a cookie that no
  script and no other site can use takes its place.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fusion.web.config import PageConfig

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "chorus_page"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "
    "connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)


class Guard:
    """Stands before the page's application, of HTTP and WebSocket alike.

    Args:
        app: that it protects.
        config: of the page.

    Attributes:
        token: without which nobody enters, or None where the page is this machine's own.
    """

    def __init__(self, app: App, config: PageConfig) -> None:
        self.token = None if config.local else secrets.token_urlsafe(24)
        self._app = app
        self._cookie = secrets.token_urlsafe(24)
        self._names = _own_names(config)
        self._addresses = not config.local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or say why not."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        host = headers.get("host", "")
        status, words = self._refusal(scope, headers, host)
        if status == 401 and self._enters(scope):
            await self._let_in(send)
            return
        if status:
            await _refuse(scope, receive, send, status, words)
            return

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_safe_headers(host)]
            await send(message)

        await self._app(scope, receive, with_headers)

    def _refusal(self, scope: Scope, headers: dict[str, str], host: str) -> tuple[int, str]:
        if not self._is_ours(host):
            return 421, "This page is not known by that name: use the address that chorus printed."
        origin = headers.get("origin")
        if origin is not None and (origin == "null" or urlsplit(origin).netloc.lower() != host.lower()):
            return 403, "Another site may not use this page."
        entering = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/"
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not entering:
            return 403, "Another site may not use this page."
        if self.token is not None and not self._known(headers):
            return 401, "Open the address that chorus printed, with its token."
        return 0, ""

    def _is_ours(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._addresses  # nobody's DNS server is asked for a bare address

    def _known(self, headers: dict[str, str]) -> bool:
        cookies = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
        if any(name == COOKIE and _same(value, self._cookie) for name, _, value in cookies):
            return True
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and _same(bearer.strip(), self.token or "")

    def _enters(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] != "/":
            return False
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        return _same(given, self.token or "")

    async def _let_in(self, send: Send) -> None:
        """Give the cookie, and go to the page without the token, which then stands in no history."""
        cookie = f"{COOKIE}={self._cookie}; HttpOnly; SameSite=Strict; Path=/; Max-Age=604800"
        headers = [(b"location", b"/"), (b"set-cookie", cookie.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 303, "headers": [*headers, *HEADERS]})
        await send({"type": "http.response.body", "body": b""})


def _same(given: str, secret: str) -> bool:
    return bool(secret) and hmac.compare_digest(given.encode(), secret.encode())


def _headers(scope: Scope) -> dict[str, str]:
    """Return the headers by their names; where one comes twice, all of it, so that neither is believed
    alone."""
    found: dict[str, str] = {}
    for raw, value in scope.get("headers", ()):
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
        joint = "; " if name == "cookie" else ", "
        found[name] = f"{found[name]}{joint}{text}" if name in found else text
    return found


def _safe_headers(host: str) -> list[tuple[bytes, bytes]]:
    return [*HEADERS, (b"content-security-policy", _POLICY.format(host=host).encode("latin-1"))]


def _own_names(config: PageConfig) -> frozenset[str]:
    names = {"localhost", "127.0.0.1", "::1", config.host.strip("[]").lower(), *map(str.lower, config.names)}
    if not config.local:
        own = socket.gethostname().lower()
        names |= {own, socket.getfqdn().lower(), f"{own.partition('.')[0]}.local"}
    return frozenset(names - {"", "0.0.0.0", "::"})


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, words: str) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": words[:120]})
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store"), *HEADERS]
    if scope["method"] not in ("GET", "HEAD"):
        headers.append((b"connection", b"close"))  # what would follow is not read
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words.encode()})

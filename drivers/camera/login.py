"""How a camera on the network is told who asks: Basic (RFC 7617) and Digest (RFC 7616) authentication."""

from __future__ import annotations

import base64
import urllib.error
import urllib.parse
import urllib.request


def basic(url: urllib.parse.SplitResult) -> str:
    """Return the value of ``Authorization`` for the login that the URL carries."""
    user, password = _login(url)
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def digest(url: urllib.parse.SplitResult, target: str, challenges: list[str]) -> str | None:
    """Return the answer to one of the challenges of a refusal, or None: none can be answered.

    Args:
        url: with the login.
        target: of the request.
        challenges: values of ``WWW-Authenticate``.
    """
    for challenge in challenges:
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() != "digest":
            continue
        fields = urllib.request.parse_keqv_list(
            [one for one in urllib.request.parse_http_list(rest) if "=" in one]
        )
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        plain = urllib.parse.urlunsplit((url.scheme, url.netloc.rpartition("@")[2], target, "", ""))
        passwords.add_password(None, plain, *_login(url))
        try:
            answer = urllib.request.HTTPDigestAuthHandler(passwords).get_authorization(
                urllib.request.Request(plain), fields
            )
        except (ValueError, KeyError, urllib.error.URLError):  # an algorithm that Python does not know
            continue
        if answer:
            return f"Digest {answer}"
    return None


def _login(url: urllib.parse.SplitResult) -> tuple[str, str]:
    return urllib.parse.unquote(url.username or ""), urllib.parse.unquote(url.password or "")

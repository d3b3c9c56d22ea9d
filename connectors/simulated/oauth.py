"""OAuth 1.0a one-legged, checked the way a WooCommerce site checks it; shares no code with any client.

Source: reference page §1 (base string, key `secret&`, HMAC-SHA1 or HMAC-SHA256, everything in the query string), and
the 15-minute window for time stamps and nonces.
"""

import base64
import hashlib
import hmac
from urllib.parse import quote

WINDOW_S = 15 * 60
NEEDED = ("oauth_consumer_key", "oauth_timestamp", "oauth_nonce", "oauth_signature", "oauth_signature_method")
_HASHES = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}


def _encode(text: str) -> str:
    return quote(text, safe="-._~")


def _as_php_reads(params: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Names as PHP keeps them: a repeated name keeps its last value, `a[]` becomes `a[0]`, `a[1]`, …"""
    read: dict[str, str] = {}
    counts: dict[str, int] = {}
    for name, value in params:
        if name.endswith("[]"):
            place = counts.get(name, 0)
            counts[name] = place + 1
            read[f"{name[:-2]}[{place}]"] = value
        else:
            read[name] = value
    return list(read.items())


def base_string(method: str, url: str, params: list[tuple[str, str]]) -> str:
    """What is signed: METHOD & url without query & sorted parameters without the signature, each encoded."""
    pairs = sorted((_encode(name), _encode(value)) for name, value in params if name != "oauth_signature")
    joined = "&".join(f"{name}={value}" for name, value in pairs)
    return f"{method.upper()}&{_encode(url)}&{_encode(joined)}"


def sign(method: str, url: str, params: list[tuple[str, str]], secret: str, algorithm: str) -> str:
    """The base64 signature. Raises `KeyError` for an algorithm other than HMAC-SHA1 and HMAC-SHA256."""
    text = base_string(method, url, params).encode()
    return base64.b64encode(hmac.new(f"{secret}&".encode(), text, _HASHES[algorithm]).digest()).decode()


class OAuthCheck:
    """Checks signatures and remembers the nonces of the last 15 minutes."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], int] = {}

    def refuse(self, method: str, url: str, params: list[tuple[str, str]], secret: str, now: int) -> str:
        """Why the request is refused, or "" when it is good. `now` is Unix time."""
        params = _as_php_reads(params)
        given = dict(params)
        for name in NEEDED:
            if not given.get(name):
                return f"Missing parameter {name}"
        if given["oauth_signature_method"] not in _HASHES:
            return "Invalid signature - signature method is invalid."
        wanted = sign(method, url, params, secret, given["oauth_signature_method"])
        if not hmac.compare_digest(wanted.encode(), given["oauth_signature"].replace(" ", "+").encode()):
            return "Invalid signature - provided signature does not match."
        if not given["oauth_timestamp"].isdigit() or abs(now - int(given["oauth_timestamp"])) > WINDOW_S:
            return "Invalid timestamp."
        self._seen = {nonce: at for nonce, at in self._seen.items() if at >= now - WINDOW_S}
        nonce = (given["oauth_consumer_key"], given["oauth_nonce"])
        if nonce in self._seen:
            return "Invalid nonce - nonce has already been used."
        self._seen[nonce] = int(given["oauth_timestamp"])
        return ""

"""Who may speak to the simulated shop: API keys, Basic over HTTPS only, OAuth 1.0a over plain HTTP.

Source: reference page §1 and "Measured on a real store".
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from urllib.parse import unquote

from msgspec import Struct

from connectors.simulated.oauth import OAuthCheck
from connectors.simulated.server import Request
from connectors.simulated.wordpress import Refusal

_ERROR = "woocommerce_rest_authentication_error"
_OAUTH_PAIR = re.compile(r'(oauth_\w+)="([^"]*)"')

Query = dict[str, str | list[str]]


class Key(Struct, frozen=True):
    """An API key of the shop; `access` is read, write or read_write."""

    consumer_key: str
    consumer_secret: str
    access: str


def make_key(seed: int, access: str) -> Key:
    """The key that a shop of this seed has issued for this kind of access."""
    digest = hashlib.sha256(f"shipdeck twin {seed} {access}".encode()).hexdigest()
    return Key(f"ck_{digest[:40]}", f"cs_{digest[24:64]}", access)


def permit(key: Key, method: str) -> None:
    """Raise 401 when the key's access does not cover the method."""
    if method in ("GET", "HEAD", "OPTIONS"):
        if key.access == "write":
            raise Refusal(401, _ERROR, "The API key provided does not have read permissions.")
    elif key.access == "read":
        raise Refusal(401, _ERROR, "The API key provided does not have write permissions.")


class KeyRing:
    """The keys a shop has issued, and the check of a request against them by the shop's clock (Unix seconds)."""

    def __init__(self, seed: int, now: Callable[[], int]) -> None:
        self._now = now
        self._issued = [make_key(seed, access) for access in ("read_write", "read", "write")]
        self._by_name = {key.consumer_key: key for key in self._issued}
        self._oauth = OAuthCheck()

    def hello(self) -> dict[str, object]:
        """The keys, as the hello line gives them."""
        read_write, read, write = self._issued
        return {
            "consumer_key": read_write.consumer_key,
            "consumer_secret": read_write.consumer_secret,
            "read_only_key": read.consumer_key,
            "read_only_secret": read.consumer_secret,
            "write_only_key": write.consumer_key,
            "write_only_secret": write.consumer_secret,
        }

    def authenticate(self, request: Request, query: Query) -> Key | None:
        """The key a request proves, or None when it proves nothing. Raises 401 for a proof that is wrong."""
        if request.secure and (key := self._basic(request, query)) is not None:
            return key
        return self._one_legged(request)

    def _basic(self, request: Request, query: Query) -> Key | None:
        user, secret = str(query.get("consumer_key", "")), str(query.get("consumer_secret", ""))
        authorization = request.headers.get("authorization", "")
        if not user and authorization.lower().startswith("basic "):
            try:
                user, _sep, secret = base64.b64decode(authorization[6:]).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return None
        key = self._by_name.get(user)
        if key is not None and not hmac.compare_digest(key.consumer_secret.encode(), secret.encode()):
            raise Refusal(401, _ERROR, "Consumer secret is invalid.")
        return key

    def _one_legged(self, request: Request) -> Key | None:
        params = list(request.query)
        authorization = request.headers.get("authorization", "")
        if authorization.lower().startswith("oauth "):
            params += [(name, unquote(value)) for name, value in _OAUTH_PAIR.findall(authorization)]
        given = dict(params)
        if not any(name.startswith("oauth_") for name in given):
            return None
        key = self._by_name.get(given.get("oauth_consumer_key", ""))
        if key is None:
            raise Refusal(401, "woocommerce_rest_cannot_view", "Sorry, you cannot list resources.")
        url = request.origin + request.target.partition("?")[0]
        why = self._oauth.refuse(request.method, url, params, key.consumer_secret, self._now())
        if why:
            raise Refusal(401, _ERROR, why)
        return key

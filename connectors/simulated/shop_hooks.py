"""The simulated shop's webhooks: registered over the API, delivered in the background, signed, switched off when nobody
takes them.

Source: reference page §8: a ping in form encoding first, then the whole order as JSON; the signature is the base64 of the
body's HMAC-SHA256; after five failures in a row a webhook is off until somebody enables it.
"""

import base64
import hashlib
import hmac
import http.client
import queue
import threading
from urllib.parse import urlsplit

from connectors.simulated.orders import Payload
from connectors.simulated.server import Answer, answer_json
from connectors.simulated.wordpress import Call, Handler, Params, Refusal, item_methods
from connectors.simulated.world import World

_TOPICS = ("order.created", "order.updated", "order.deleted", "order.restored")
_PATIENCE_S = 5
MOST_FAILURES = 5
"""In a row."""


class HookRoutes:
    """`/webhooks` and what is delivered because of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._hooks: dict[int, Payload] = {}
        self._waiting: queue.Queue[tuple[Payload, bytes, dict[str, str]]] = queue.Queue()
        self._delivering = False
        world.heard = self._heard

    def routes(self) -> list[tuple[str, dict[str, Handler]]]:
        """The routes of webhooks."""
        return [
            ("/wc/v3/webhooks", {"GET": self._list, "POST": self._create}),
            (r"/wc/v3/webhooks/(?P<id>[\d]+)", item_methods(self._get, self._put, self._delete)),
        ]

    # ---------------------------------------------------------------- the API

    def _hook(self, call: Call) -> Payload:
        if call.id not in self._hooks:
            raise Refusal(404, "woocommerce_rest_shop_webhook_invalid_id", "Invalid ID.")
        return self._hooks[call.id]

    def _list(self, _call: Call) -> Answer:
        return answer_json([_shown(hook) for hook in self._hooks.values()])

    def _get(self, call: Call) -> Answer:
        return answer_json(_shown(self._hook(call)))

    def _create(self, call: Call) -> Answer:
        topic, url = call.body.get("topic"), str(call.body.get("delivery_url", ""))
        if topic not in _TOPICS:
            raise Refusal(400, "woocommerce_rest_webhook_topic_invalid", "Webhook topic must be valid.")
        if urlsplit(url).scheme not in ("http", "https"):
            raise Refusal(400, "woocommerce_rest_webhook_url_invalid", "Webhook delivery URL must be valid.")
        hook: Payload = {"id": self._world.factory.next_id(), "topic": topic, "delivery_url": url, "failures": 0}
        hook |= {"secret": str(call.body.get("secret", "")), "status": call.body.get("status", "active")}
        self._hooks[hook["id"]] = hook
        if not self._delivering:
            self._delivering = True
            threading.Thread(target=self._deliver_for_ever, daemon=True).start()
        self._waiting.put((hook, f"webhook_id={hook['id']}".encode(), {}))
        return answer_json(_shown(hook), 201)

    def _put(self, call: Call) -> Answer:
        hook = self._hook(call)
        hook.update({key: call.body[key] for key in ("status", "secret", "delivery_url") if key in call.body})
        hook["failures"] = 0
        return answer_json(_shown(hook))

    def _delete(self, call: Call) -> Answer:
        hook = self._hook(call)
        if not Params(call.query).boolean("force"):
            raise Refusal(501, "woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.")
        return answer_json(_shown(self._hooks.pop(hook["id"])))

    # ---------------------------------------------------------------- delivery

    def _heard(self, topic: str, body: bytes) -> None:
        for hook in self._hooks.values():
            if hook["topic"] == topic and hook["status"] == "active":
                key = str(hook["secret"]).encode()
                signature = base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()).decode()
                headers = {"Content-Type": "application/json", "X-WC-Webhook-Signature": signature}
                headers |= {"X-WC-Webhook-Topic": topic, "X-WC-Webhook-ID": str(hook["id"])}
                self._waiting.put((hook, body, headers))

    def _deliver_for_ever(self) -> None:
        while True:
            hook, body, headers = self._waiting.get()
            try:
                taken = 200 <= _posted(str(hook["delivery_url"]), body, headers) < 300
            except (http.client.HTTPException, OSError):
                taken = False
            hook["failures"] = 0 if taken else hook["failures"] + 1
            if hook["failures"] >= MOST_FAILURES:
                hook["status"] = "disabled"


def _posted(url: str, body: bytes, headers: dict[str, str]) -> int:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=_PATIENCE_S)
    try:
        connection.request("POST", parts.path or "/", body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def _shown(hook: Payload) -> Payload:
    return {key: value for key, value in hook.items() if key != "secret"}

"""Who may speak to the simulated shop (WooCommerce reference §1 and "Measured on a real store")."""

import ssl
import time
from base64 import b64encode

import pytest
from conftest import Shop, send
from oauthlib.oauth1 import SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256, SIGNATURE_PLAINTEXT

from connectors.simulated.launch import Twin

ORDERS = "/wp-json/wc/v3/orders"
AUTH_ERROR = "woocommerce_rest_authentication_error"


@pytest.mark.parametrize("method", [SIGNATURE_HMAC_SHA1, SIGNATURE_HMAC_SHA256])
def test_a_signature_of_an_independent_implementation_is_accepted(shop: Shop, method: str) -> None:
    signer = Shop(shop.twin, method=method)
    reply = signer.get(
        "/orders", search="Zażółć & gęślą+ ~x/y=1", status="any,trash", modified_after="2020-01-01T00:00:00"
    )
    assert reply.status == 200


def test_a_wrong_secret_is_refused(shop: Shop) -> None:
    reply = Shop(shop.twin, secret="cs_wrong").get("/orders")
    assert (reply.status, reply.code) == (401, AUTH_ERROR)


def test_a_changed_parameter_breaks_the_signature(shop: Shop) -> None:
    target = shop.signed("GET", ORDERS, {"page": 1}).replace("page=1", "page=2")
    assert send(shop.twin.url, "GET", target, {}, None).code == AUTH_ERROR


def test_a_signature_of_another_method_is_refused(shop: Shop) -> None:
    assert send(shop.twin.url, "POST", shop.signed("GET", ORDERS), {}, b"{}").code == AUTH_ERROR


def test_plaintext_is_no_signature(shop: Shop) -> None:
    assert Shop(shop.twin, method=SIGNATURE_PLAINTEXT).get("/orders").code == AUTH_ERROR


def test_a_nonce_serves_once(shop: Shop) -> None:
    target = shop.signed("GET", ORDERS)
    first, second = (send(shop.twin.url, "GET", target, {}, None) for _ in range(2))
    assert first.status == 200
    assert (second.status, second.code) == (401, AUTH_ERROR)


@pytest.mark.parametrize(("age", "status"), [(14 * 60, 200), (16 * 60, 401), (-16 * 60, 401)])
def test_a_time_stamp_holds_fifteen_minutes(shop: Shop, age: int, status: int) -> None:
    target = shop.signed("GET", ORDERS, timestamp=str(int(time.time()) - age))
    assert send(shop.twin.url, "GET", target, {}, None).status == status


def test_wrong_key_is_cannot_view(shop: Shop) -> None:
    reply = Shop(shop.twin, key="ck_nobody").get("/orders")
    assert (reply.status, reply.code) == (401, "woocommerce_rest_cannot_view")


def test_basic_over_plain_http_is_cannot_view(shop: Shop) -> None:
    token = b64encode(f"{shop.key}:{shop.secret}".encode()).decode()
    reply = send(shop.twin.url, "GET", ORDERS, {"Authorization": f"Basic {token}"}, None)
    assert (reply.status, reply.code) == (401, "woocommerce_rest_cannot_view")


def test_basic_over_https_is_accepted_and_the_certificate_verifies() -> None:
    with Twin("woocommerce", orders=3, https=True) as twin:
        assert len(Shop(twin).get("/orders").json) == 3
        assert Shop(twin, secret="cs_wrong").get("/orders").code == AUTH_ERROR
        assert Shop(twin, key="ck_wrong").get("/orders").code == "woocommerce_rest_cannot_view"
        query = f"?consumer_key={twin.hello['consumer_key']}&consumer_secret={twin.hello['consumer_secret']}"
        assert send(twin.url, "GET", ORDERS + query, {}, None, twin.hello["cafile"]).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            send(twin.url, "GET", "/wp-json/", {}, None)


def test_a_read_only_key_reads_but_does_not_write(shop: Shop) -> None:
    reader = Shop(shop.twin, shop.twin.hello["read_only_key"], shop.twin.hello["read_only_secret"])
    (order,) = shop.create({})
    assert reader.get(f"/orders/{order}").status == 200
    reply = reader.call("PUT", f"/orders/{order}", body={"status": "completed"})
    assert (reply.status, reply.code) == (401, AUTH_ERROR)
    assert shop.get(f"/orders/{order}").json["status"] == "processing"


def test_a_write_only_key_does_not_read(shop: Shop) -> None:
    writer = Shop(shop.twin, shop.twin.hello["write_only_key"], shop.twin.hello["write_only_secret"])
    assert writer.get("/orders").code == AUTH_ERROR


def test_the_index_is_public_and_names_what_the_shop_has(shop: Shop) -> None:
    index = send(shop.twin.url, "GET", "/wp-json/", {}, None).json
    assert index["timezone_string"] == "Europe/Warsaw"
    assert "wc/v3" in index["namespaces"]
    assert "/wc/v3/orders" in index["routes"]
    assert not any("fulfillments" in route for route in index["routes"])

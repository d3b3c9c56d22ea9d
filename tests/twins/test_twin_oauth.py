"""The signature check by itself."""

from connectors.simulated.oauth import OAuthCheck, base_string, sign


def test_the_base_string_encodes_twice_and_sorts_after_encoding() -> None:
    text = base_string("get", "http://shop.test/wp-json", [("b", "2 3"), ("a[0]", "ł"), ("oauth_signature", "x")])
    assert text == "GET&http%3A%2F%2Fshop.test%2Fwp-json&a%255B0%255D%3D%25C5%2582%26b%3D2%25203"


def test_a_nonce_is_forgotten_after_the_window() -> None:
    check = OAuthCheck()

    def ask(now: int) -> str:
        params = [("oauth_consumer_key", "k"), ("oauth_nonce", "n"), ("oauth_timestamp", str(now))]
        params.append(("oauth_signature_method", "HMAC-SHA256"))
        signature = sign("GET", "http://s.test/", params, "cs", "HMAC-SHA256")
        return check.refuse("GET", "http://s.test/", [*params, ("oauth_signature", signature)], "cs", now)

    assert ask(1000) == ""
    assert "nonce" in ask(1001)
    assert ask(1000 + 901) == ""

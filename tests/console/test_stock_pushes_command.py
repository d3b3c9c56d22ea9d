"""`shipdeck stock pushes` as somebody uses it."""

from pathlib import Path

from tests.console.shell import Shell


def test_what_shops_were_told_is_listed_and_told_anew_only_to_a_shop_that_is_there(tmp_path: Path) -> None:
    sh = Shell(tmp_path)
    sh("operator", "add", "Anna", "--role", "owner")
    assert sh.json("stock", "pushes") == []
    assert sh.json("stock", "pushes", "--shop", "Nobody's", exits=1)["refused"][0]["code"] == "unknown_shop"
    assert "--shop" in sh("stock", "pushes", "--again", exits=2)

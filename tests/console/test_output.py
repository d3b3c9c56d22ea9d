"""What leaves for a terminal holds no control, bidi or zero-width character, and JSON keeps every value."""

import json
from typing import Any

import pytest

from console.output import emit

UGLY = "a\x1b[2Jb\x7fc\x9bd\u202ee\u200bf\ufeffg\u2028h ł 张"


def test_json_carries_every_character_but_shows_no_dangerous_one(capsys: pytest.CaptureFixture[str]) -> None:
    emit([{"buyer": UGLY}])
    out = capsys.readouterr().out
    assert json.loads(out) == [{"buyer": UGLY}]
    assert not set(out) & set("\x1b\x7f\x9b\u202e\u200b\ufeff\u2028")
    assert "ł 张" in out


def test_a_code_that_a_platform_made_up_is_shown_safely(capsys: pytest.CaptureFixture[str]) -> None:
    from console.handlers import _print_detail

    one: dict[str, Any] = {
        "code": "K000001", "stage": "shipped", "status": "failed", "shop": "S", "order_number": UGLY, "total": "1.00",
        "currency": "PLN", "ship_by": None, "reason": UGLY, "message": UGLY, "notes": [{"kind": "buyer", "text": UGLY}],
        "address": {"name": UGLY}, "lines": [{"quantity": 1, "sku": UGLY, "name": UGLY}],
        "waybills": [{"generation": 1, "state": "failed", "number": UGLY, "code": UGLY, "reason": UGLY}],
        "source_orders": [{"number": UGLY, "status": "open", "submission": "failed", "told": UGLY,
                           "submission_code": UGLY, "submission_reason": UGLY}],
        "events": [{"at": "2026", "who": UGLY, "kind": "pushed"}],
    }  # fmt: skip
    _print_detail(one)
    assert not set(capsys.readouterr().out) & set("\x1b\x7f\x9b\u202e\u200b\ufeff\u2028")

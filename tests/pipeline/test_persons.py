"""The people who work here: made, changed, and asked for their right, on both engines."""

import asyncio
from typing import Any

import pytest

from domain.persons import Operator, Role
from domain.results import Refused
from pipeline import abnormal, persons, setup, stocktaking
from pipeline.base import Pipeline
from pipeline.commands import preview, run
from pipeline.undo import target_of
from store import people_views
from store import tables as t
from store.place import Place
from store.reader import Reader
from tests.store.conftest import Books


def code_of_refusal(answer: object) -> str:
    assert isinstance(answer, Refused), answer
    assert answer.message.endswith(".")
    return answer.code


def made(answer: Operator | Refused) -> Operator:
    assert isinstance(answer, Operator), answer
    return answer


async def everybody(p: Pipeline) -> dict[str, tuple[str, bool, bool]]:
    return {o.name: (o.role.value, o.lead, o.active) for o in await people_views.operators(p.store)}


async def owners(p: Pipeline) -> list[str]:
    return [name for name, (role, _lead, active) in (await everybody(p)).items() if role == "owner" and active]


@pytest.fixture
async def staff(p: Pipeline) -> Pipeline:
    """Anna owns, Bea is admin, Jan works, Ewa leads, Ola looks."""
    made(await persons.first_owner(p, "Anna"))
    for name, role, lead in (
        ("Bea", "admin", False),
        ("Jan", "operator", False),
        ("Ewa", "operator", True),
        ("Ola", "viewer", False),
    ):
        made(await persons.add(p, name, role, lead, "Anna"))
    return p


# ------------------------------------------------------------------ adding


async def test_the_first_one_is_the_owner_and_there_is_no_second(p: Pipeline) -> None:
    assert code_of_refusal(await persons.add(p, "Anna", "operator", False, "owner")) == "bad_role"
    assert await everybody(p) == {}
    owner = made(await persons.add(p, "  Anna   K ", "owner", False, "owner"))
    assert (owner.name, owner.role) == ("Anna K", Role.OWNER)
    assert code_of_refusal(await persons.first_owner(p, "Bea")) == "owner_exists"
    assert code_of_refusal(await persons.add(p, "Bea", "owner", False, "Anna K")) == "owner_exists"
    assert await everybody(p) == {"Anna K": ("owner", False, True)}


async def test_of_two_first_owners_at_the_same_moment_one_is_told_that_there_is_one(place: Place, p: Pipeline) -> None:
    other = await Pipeline.open(place)
    answers = await asyncio.gather(persons.first_owner(p, "Anna"), persons.first_owner(other, "Bea"))
    await other.aclose()
    assert sorted(type(a).__name__ for a in answers) == ["Operator", "Refused"]
    assert [a.code for a in answers if isinstance(a, Refused)] == ["owner_exists"]
    assert len(await everybody(p)) == 1


async def test_a_name_is_given_once_however_its_letters_are_written(staff: Pipeline) -> None:
    assert code_of_refusal(await persons.add(staff, "JAN", "viewer", False, "Anna")) == "name_taken"
    made(await persons.change(staff, "Jan", by="Anna", active=False))
    again = await persons.add(staff, "jan", "viewer", False, "Anna")
    assert code_of_refusal(again) == "name_taken"
    assert isinstance(again, Refused)
    assert "--active yes" in again.message


async def test_bad_names_and_roles_are_refused_before_anything_is_kept(p: Pipeline) -> None:
    assert code_of_refusal(await persons.first_owner(p, "007")) == "bad_name"
    assert code_of_refusal(await persons.add(p, "a/b", "owner", False, "owner")) == "bad_name"
    assert code_of_refusal(await persons.add(p, "Anna", "boss", False, "owner")) == "bad_role"
    assert await everybody(p) == {}


async def test_people_are_added_by_owner_and_admins_and_admins_by_the_owner_only(staff: Pipeline) -> None:
    made(await persons.add(staff, "Iga", "operator", True, "Bea"))
    assert code_of_refusal(await persons.add(staff, "Leo", "admin", False, "Bea")) == "not_allowed"
    for by in ("Jan", "Ewa", "Ola"):
        assert code_of_refusal(await persons.add(staff, "Leo", "viewer", False, by)) == "not_allowed"
    assert code_of_refusal(await persons.add(staff, "Leo", "viewer", False, "nobody")) == "unknown_operator"
    assert (await everybody(staff))["Iga"] == ("operator", True, True)
    assert "Leo" not in await everybody(staff)


# ------------------------------------------------------------------ changing


async def test_an_admin_changes_operators_but_neither_admins_nor_the_owner(staff: Pipeline) -> None:
    made(await persons.change(staff, "jan", by="bea", role="viewer", lead=True))
    assert (await everybody(staff))["Jan"] == ("viewer", True, True)
    for name, values in (
        ("Jan", {"role": "admin"}),
        ("Jan", {"role": "owner"}),
        ("Bea", {"role": "operator"}),
        ("Bea", {"active": False}),
        ("Anna", {"role": "viewer"}),
        ("Anna", {"active": False}),
    ):
        changed: dict[str, Any] = values
        assert code_of_refusal(await persons.change(staff, name, by="Bea", **changed)) == "not_allowed"
    assert code_of_refusal(await persons.change(staff, "Leo", by="Bea", lead=True)) == "unknown_operator"
    assert code_of_refusal(await persons.change(staff, "Jan", by="Bea", role="boss")) == "bad_role"


async def test_handing_over_makes_the_former_owner_an_admin(staff: Pipeline) -> None:
    made(await persons.change(staff, "Ewa", by="owner", role="owner"))
    people = await everybody(staff)
    assert (people["Ewa"][0], people["Anna"][0]) == ("owner", "admin")
    assert await owners(staff) == ["Ewa"]
    assert code_of_refusal(await persons.change(staff, "Anna", by="Anna", role="owner")) == "not_allowed"
    made(await persons.change(staff, "Anna", by="Ewa", role="owner"))
    assert await owners(staff) == ["Anna"]


async def test_there_is_always_an_active_owner(staff: Pipeline) -> None:
    assert code_of_refusal(await persons.change(staff, "Anna", by="Anna", role="admin")) == "last_owner"
    assert code_of_refusal(await persons.change(staff, "Anna", by="Anna", active=False)) == "last_owner"
    made(await persons.change(staff, "Jan", by="Anna", active=False))
    assert code_of_refusal(await persons.change(staff, "Jan", by="Anna", role="owner")) == "last_owner"
    assert await owners(staff) == ["Anna"]
    made(await persons.change(staff, "Jan", by="Anna", role="owner", active=True))
    assert await owners(staff) == ["Jan"]


async def test_of_two_handings_over_at_the_same_moment_one_is_refused(place: Place, staff: Pipeline) -> None:
    other = await Pipeline.open(place)
    answers = await asyncio.gather(
        persons.change(staff, "Jan", by="Anna", role="owner"), persons.change(other, "Ewa", by="Anna", role="owner")
    )
    await other.aclose()
    assert [a.code for a in answers if isinstance(a, Refused)] == ["not_allowed"]
    assert len(await owners(staff)) == 1


async def test_history_says_who_was_added_and_changed_and_by_whom(staff: Pipeline) -> None:
    made(await persons.change(staff, "Jan", by="bea", lead=True))
    made(await persons.change(staff, "Jan", by="bea", lead=True))
    rows = await staff.store.fetch("SELECT who, kind FROM event ORDER BY id")
    assert [(r["who"], r["kind"]) for r in rows] == [("Anna", "operator_added")] * 5 + [("Bea", "operator_changed")]


# ------------------------------------------------------------------ who may work


async def test_while_there_is_nobody_every_name_may_do_everything(p: Pipeline) -> None:
    assert (await run(p, "approve", [1], {}, "whoever")).refused[0].code == "not_found"
    assert (await preview(p, "approve", [1], {}, "whoever")).refused[0].code == "not_found"
    assert code_of_refusal(await stocktaking.change(p, "MUG", "receive", 1, "whoever")) == "unknown_sku"
    async with p.store.reading() as tx:
        assert await persons.resolve(tx, "owner") == "owner"


@pytest.mark.parametrize(
    ("who", "code"), [("nobody", "unknown_operator"), ("Leo", "unknown_operator"), ("Ola", "viewer_only")]
)
async def test_strangers_the_removed_and_viewers_change_nothing(staff: Pipeline, who: str, code: str) -> None:
    made(await persons.add(staff, "Leo", "admin", False, "Anna"))
    made(await persons.change(staff, "Leo", by="Anna", active=False))
    books = Books(staff)
    await books.open()
    shipment = await books.order()
    async with staff.store.transaction() as tx:
        row = {"shop_id": books.shop_id, "code": "no_lines", "payload": b"", "first_at": 1, "last_at": 1}
        odd = await tx.add(t.abnormal, {**row, "platform_order_id": "raw:1"})
    for report in (
        await run(staff, "approve", [shipment, 999], {}, who),
        await preview(staff, "approve", [shipment, 999], {}, who),
    ):
        assert (report.batch, report.done) == ("", [])
        assert [(r.id, r.code) for r in report.refused] == [(shipment, code), (999, code)]
    for empty in (await run(staff, "approve", [], {}, who), await preview(staff, "approve", [], {}, who)):
        assert [r.code for r in empty.refused] == [code]
    for act in (abnormal.repush, abnormal.dismiss):
        for ids in (None, [odd]):
            done, refused = await act(staff, ids, who)
            assert (done, [(i, r.code) for i, r in refused]) == ([], [(odd, code)])
    folder = {"folder": str(staff.store.place.key_file.parent)}
    for answer in (
        await target_of(staff, who),
        await stocktaking.change(staff, "MUG", "receive", 1, who),
        await setup.add_shop(staff, "woocommerce", "Other", {"url": "https://shop.example.test"}, {}, who),
        await setup.set_shop(staff, books.shop_id, {"import_months": "1"}, {}, who),
        await setup.unbind_shop(staff, books.shop_id, who),
        await setup.cut_over(staff, books.shop_id, "ship_these", who),
        await setup.add_carrier(staff, "pool", "Own", {"carrier_name": "Own"}, {}, who),
        await setup.add_printer(staff, "folder", "papers", folder, who),
        await setup.set_sender(staff, "", {"city": "Kraków"}, who),
    ):
        assert code_of_refusal(answer) == code
    added, bad = await setup.import_numbers(staff, books.carrier_id, ["X000001"], who)
    assert (added, [b.code for b in bad]) == (0, [code])
    assert await books.value("SELECT count(*) FROM batch") == 0
    assert await books.value("SELECT stage FROM shipment WHERE id = :s", s=shipment) == 1
    assert await books.value("SELECT state FROM abnormal") == "open"


@pytest.mark.parametrize(("who", "name"), [("jan", "Jan"), ("owner", "Anna"), ("Owner", "Anna"), ("BEA", "Bea")])
async def test_history_carries_the_real_name_and_undo_finds_the_batch_under_it(
    staff: Pipeline, who: str, name: str
) -> None:
    books = Books(staff)
    await books.open()
    shipment = await books.order()
    report = await run(staff, "hold", [shipment], {"reason": "look"}, who)
    assert report.done == [shipment]
    assert await books.value("SELECT who FROM batch") == name
    assert await books.value("SELECT who FROM event WHERE kind = 'held'") == name
    target = await target_of(staff, who)
    assert not isinstance(target, Refused)
    assert target.name == report.batch
    undone = await run(staff, "undo", [shipment], {"batch_id": target.id}, who)
    assert undone.done == [shipment]


async def test_stock_and_abnormal_orders_are_booked_under_the_real_name(staff: Pipeline) -> None:
    books = Books(staff)
    await books.open()
    sku = await books.goods()
    async with staff.store.transaction() as tx:
        row = {"shop_id": books.shop_id, "code": "no_lines", "payload": b"", "first_at": 1, "last_at": 1}
        odd = await tx.add(t.abnormal, {**row, "platform_order_id": "raw:1"})
    assert not isinstance(await stocktaking.change(staff, sku, "receive", 3, "owner"), Refused)
    assert await abnormal.dismiss(staff, [odd], "owner") == ([odd], [])
    assert await books.value("SELECT who FROM stock_move") == "Anna"
    assert await books.value("SELECT who FROM event WHERE kind = 'abnormal_dismissed'") == "Anna"


async def test_the_worker_needs_no_name(staff: Pipeline) -> None:
    books = Books(staff)
    await books.open()
    shipment = await books.order()
    assert (await run(staff, "hold", [shipment], {"reason": "look"}, "")).done == [shipment]
    assert await books.value("SELECT who FROM batch") == ""


async def test_asking_who_somebody_is_costs_one_look(staff: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    for who, answer in (("jan", "Jan"), ("owner", "Anna")):
        async with staff.store.reading() as tx:
            asked: list[str] = []
            rows = tx.rows

            async def counted(sql: str, asked: list[str] = asked, rows: Any = rows, **params: Any) -> Any:
                asked.append(sql)
                return await rows(sql, **params)

            monkeypatch.setattr(tx, "rows", counted)
            monkeypatch.setattr(tx, "row", None)
            assert await persons.resolve(tx, who) == answer
            assert len(asked) == 1


async def test_everybody_can_be_read_without_the_writing_store(staff: Pipeline) -> None:
    made(await persons.change(staff, "Bea", by="Anna", active=False))
    async with Reader(staff.store.place) as reader:
        people = await people_views.operators(reader)
        rows = await people_views.listing(reader)
    assert [(o.name, o.role, o.lead, o.active) for o in people] == [
        ("Anna", Role.OWNER, False, True),
        ("Ewa", Role.OPERATOR, True, True),
        ("Jan", Role.OPERATOR, False, True),
        ("Ola", Role.VIEWER, False, True),
        ("Bea", Role.ADMIN, False, False),
    ]
    assert rows[1]["created_by"] == "Anna"
    assert rows[1]["created_at"].endswith("Z")

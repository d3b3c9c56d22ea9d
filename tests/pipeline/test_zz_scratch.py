import asyncio

from domain.enums import Flag
from pipeline import setup
from pipeline.commands import run


async def test_huiju(sqlite_world, platform):
    w = sqlite_world
    platform(ship_closes_refund=True)
    order, s = await w.take("printed")
    await w.platform_says(order, after_sale=True)
    await w.accept("ship", s, close_refunds=True)
    await w.work()
    print(await w.at(s), await w.effects(s, "check"))
    assert (await w.at(s)).startswith("shipped")


async def test_unbind_pushing(sqlite_world):
    w = sqlite_world
    await w.setting(grace_s=600)
    order, s = await w.take("printed")
    await w.as_console("ship", s)
    await w.work()
    await setup.unbind_shop(w.p, w.shop_id, "anna")
    assert await w.at(s) != "shipped/pushing"


async def test_split_order_lines(sqlite_world):
    w = sqlite_world
    order, s = await w.take(skus=[("NB-A5", 3)])
    line = (await w.shown(s))["lines"][0]["order_line_id"]
    await w.accept("split", s, lines={str(line): 2})
    a, b = await w.shipments(order)
    await w.to_stage(a, "to_print")
    await w.change(order, "partial_refund", quantity=1)
    print(await w.pieces(a), await w.pieces(b), await w.flags(a))
    assert not await w.flags(a) & Flag.LINES_CHANGED


async def test_hold_waiting(sqlite_world):
    w = sqlite_world
    order, s = await w.take("waybill", service="SIM-NEVER")
    await w.work()
    await w.accept("hold", s, reason="x")
    await w.answer(s)
    print(await w.at(s))
    assert await w.at(s) == "waybill/obtained"


async def test_closing_after_sale(sqlite_world):
    w = sqlite_world
    order, s = await w.take("waybill", service="SIM-NEVER")
    await w.work()
    await w.platform_says(order, after_sale=True)
    await w.accept("close", s)
    await w.answer(s)
    assert await w.at(s) == "closed/discarded"


async def test_secondary_note(sqlite_world):
    w = sqlite_world
    (o1, o2), box = await w.box()
    await w.platform_says(o2, buyer_note="hej")
    assert await w.flags(box) & Flag.NOTE_UNREAD


async def test_first_import_merge(sqlite_world):
    w = sqlite_world
    _o, a = await w.take()
    _o, b = await w.take()
    async with w.p.store.transaction() as tx:
        await tx.run("UPDATE shipment SET flags = flags | :f WHERE id = :b", f=int(Flag.FIRST_IMPORT), b=b)
    await w.accept("merge", a, b)
    r = await run(w.p, "approve", [a], {}, "anna", explicit=False)
    assert r.refused


async def test_names(either_world):
    w = either_world
    ids = [(await w.take())[1] for _ in range(6)]
    await asyncio.gather(*(run(w.p, "flag", [i], {"colour": 1}, "x") for i in ids))


async def test_abandon_then_late_answer(sqlite_world):
    w = sqlite_world
    order, s = await w.take("waybill", service="SIM-NEVER")
    await w.work()
    await w.accept("abandon", s)
    await w.make_due()
    await w.work()
    assert await w.waybills(s) == ["abandoned"]


async def test_merged_ready(sqlite_world):
    w = sqlite_world
    _o, a = await w.take("processing")
    _o, b = await w.take("processing", skus=["PEN-07"])
    await w.accept("assign", a, b, service_id=await w.service("SIM-INT"))
    d = {"name_local": "a", "name_en": "a", "hs_code": "1", "origin": "PL", "unit_weight_g": 1, "unit_value_minor": 1}
    await w.accept("customs", a, **d)
    await w.accept("merge", a, b)
    assert await w.at(a) == "processing/open"

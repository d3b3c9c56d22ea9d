"""Binding a shop: what the declaration says, the test call, and what it says when it must refuse."""

import re
from zoneinfo import ZoneInfo

import msgspec

from connectors.conformance.case import Cases
from connectors.conformance.ground import Ground, holds, same
from domain.enums import OrderKind
from domain.money import exponent
from domain.results import NotActed, Refused, Unauthorised

CASES = Cases()


@CASES.add
async def the_declaration_is_whole(g: Ground) -> None:
    """Names, fields with their labels, limits; facts nobody could confirm are told as sentences."""
    declaration = g.kind.declaration
    holds(re.fullmatch(r"[a-z][a-z0-9_]*", declaration.platform), f"a platform's name: {declaration.platform!r}")
    holds(declaration.title.strip(), "the platform has a title")
    names = [field.name for field in declaration.fields]
    same(sorted(set(names)), sorted(names), "names of fields")
    for field in declaration.fields:
        holds(re.fullmatch(r"[a-z][a-z0-9_]*", field.name), f"a field's name: {field.name!r}")
        holds(field.label.strip(), f"{field.name} has a label")
        holds(not (field.secret and field.default), f"{field.name}: a secret has no default")
    limits = declaration.limits
    holds(limits.calls_per_second >= 0 and limits.parallel > 0 and limits.batch > 0, f"limits: {limits}")
    for text in declaration.unconfirmed:
        holds(text.strip().endswith("."), f"what is unconfirmed is told in a sentence: {text!r}")
    holds(declaration.capabilities.kinds, "some kinds of orders are declared")


@CASES.add
async def the_fields_bind_it_and_nothing_else_does(g: Ground) -> None:
    """Everything the kit gives is a declared field, secrets are secret, and what is required is there."""
    fields = {field.name: field for field in g.kind.declaration.fields}
    for name in g.kit.settings:
        holds(name in fields and not fields[name].secret, f"{name} is a declared field that is no secret")
    for name in g.kit.secrets:
        holds(name in fields and fields[name].secret, f"{name} is a declared secret field")
    given = {*g.kit.settings, *g.kit.secrets}
    lacking = {name for name, field in fields.items() if field.required and not field.default} - given
    same(lacking, set(), "required fields the kit does not give")


@CASES.add
async def the_kit_excuses_only_what_it_lacks(g: Ground) -> None:
    """Each excuse is of something there is, gives a reason, and stands for nothing that the kit gives."""
    deeds = {name for name in g.kit.__struct_fields__ if name not in {"cannot", "says_nothing", "twin", "options"}}
    others = {"currency", "redacted", "line_check", "autumn_hour", *(f"kind_{kind}" for kind in OrderKind)}
    same(set(g.kit.cannot) - deeds - others, set(), "excuses for what there is not")
    for name, reason in {**g.kit.cannot, **g.kit.says_nothing}.items():
        holds(reason.strip(), f"{name} is excused with a reason")
        holds(not getattr(g.kit, name, None), f"{name} is both given and excused")


@CASES.alone
async def the_test_call_tells_title_zone_and_currency(g: Ground) -> None:
    """A title, a zone that opens, and the currency orders come in."""
    order = g.make()
    shop = g.bind()
    checked = await g.said(shop.check())
    holds(checked.title.strip(), "the test call tells a title")
    ZoneInfo(checked.zone)
    exponent(checked.currency)
    same(checked.currency, (await g.read(shop, order)).currency, "the shop's currency beside its orders'")


@CASES.add
async def the_test_call_changes_nothing(g: Ground) -> None:
    """An order is the same afterwards, its last change included."""
    order = g.make()
    shop = g.bind()
    before = await g.read(shop, order)
    await g.said(shop.check())
    after = await g.read(shop, order)
    if not g.kind.declaration.sees_changes:  # Its last change is when it was read.
        before, after = (msgspec.structs.replace(one, updated_at=0) for one in (before, after))
    same(after, before, "an order after the test call")


@CASES.add
async def wrong_secrets_are_refused_by_name(g: Ground) -> None:
    """Each secret in turn: the credentials are refused, on the test call, on reads and on a push."""
    order = g.make()
    pushes = [await g.push_of(g.bind(), order, "CF000000001")] if g.kind.declaration.capabilities.push else []
    for name in g.kit.secrets:
        shop = g.bind(secrets={name: "not-the-secret"})
        outcome = await g.refusal(shop.check())
        holds(isinstance(outcome, Unauthorised), f"the test call with a wrong {name}: {outcome}")
        outcome = await g.refusal(shop.read_orders([order]))
        holds(isinstance(outcome, Unauthorised), f"a read with a wrong {name}: {outcome}")
        for told in await g.told(shop, *pushes):
            holds(isinstance(told, Unauthorised), f"a push with a wrong {name}: {told}")
    same(g.numbers(order), [], "numbers told with wrong secrets")


@CASES.add
async def where_nobody_answers_nothing_was_done(g: Ground) -> None:
    """A closed port: the test call, a read and a push say that it certainly did not happen."""
    order = g.make()
    pushes = [await g.push_of(g.bind(), order, "CF000000002")] if g.kind.declaration.capabilities.push else []
    shop = g.bind(settings={"url": "http://127.0.0.1:9"})
    for call in (shop.check(), shop.read_orders([order])):
        outcome = await g.refusal(call)
        same((type(outcome), outcome.code), (NotActed, "unreachable"), "a call to nobody")
    for told in await g.told(shop, *pushes):
        same((type(told), told.code), (NotActed, "unreachable"), "a push to nobody")


@CASES.add
async def buyers_data_never_travel_unencrypted(g: Ground) -> None:
    """Plain HTTP to another machine is refused before a call is made."""
    outcome = await g.refusal(g.bind(settings={"url": "http://shop.example.test"}).check())
    same((type(outcome), outcome.code), (Refused, "plain_http"), "plain HTTP to another machine")

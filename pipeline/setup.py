"""Binding shops, carriers and printers: given fields, a test call, and only then a row with sealed secrets."""

import re
import socket
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from connectors import registry
from connectors.carriers.pool import check_number, normalise_number
from connectors.contract import Checked, Field, Printed, PrintRequest, ShopConnector
from connectors.http import WireError
from connectors.paper.documents import Slip, SlipLine, packing_slip
from domain.clock import SECOND
from domain.facts import ShopFacts
from domain.imports import ImportPolicy
from domain.records import Address
from domain.results import NotActed, Refused, Unauthorised, Unknown
from domain.settings import CALL_SETTINGS, ShopSettings, call_setting, changed, is_setting
from domain.words import _
from pipeline import completeness, persons
from pipeline.base import Pipeline, load_settings
from pipeline.sync import policy_of
from store import accounts, leases, outbox, shops
from store.database import Tx, as_json, from_json

IMPORT_RULES = {"import_months", "import_exclude", "require_contact", "identify_by", "currency", "order_types"}
"""Settings that decide what the first import takes; they stand still while it runs."""


class Set(Struct, frozen=True):
    """An account that was set up (or checked)."""

    id: int
    name: str
    checked: Checked


def _sort_fields(
    fields: Sequence[Field], given: Mapping[str, str], secrets: Mapping[str, str], *, shop: bool
) -> tuple[dict[str, Any], dict[str, str]] | Refused:
    """Given values into (settings, secrets), or what is missing or unknown."""
    known = {f.name: f for f in fields}
    settings: dict[str, Any] = {}
    policy = ShopSettings()
    for name, value in given.items():
        if name in known and known[name].secret:
            return Refused(
                "secret_in_argument",
                _("{name} is a secret: give it by --secret-env {name}=VARIABLE or --secret-stdin {name}.").format(
                    name=name
                ),
                name,
            )
        if name in CALL_SETTINGS or name == "allow_plain_http":
            if refusal := call_setting(name, value):
                return refusal
            settings[name] = value
        elif name in known:
            settings[name] = value
        elif shop and is_setting(name):
            answer = changed(policy, name, value)
            if isinstance(answer, Refused):
                return answer
            policy = answer
            settings[name] = getattr(policy, name)
        else:
            names = ", ".join(sorted(known))
            return Refused(
                "unknown_field", _("There is no field {name}; known: {names}.").format(name=name, names=names), name
            )
    for name in secrets:
        if name not in known:
            return Refused("unknown_field", _("There is no secret field {name}.").format(name=name), name)
    for field in fields:
        have = secrets.get(field.name) if field.secret else settings.get(field.name)
        if field.required and not have and not field.default:
            return Refused(
                "missing_field", _("{label} is missing. {help}").format(label=field.label, help=field.help), field.name
            )
        if not field.secret and field.default and field.name not in settings:
            settings[field.name] = field.default
    return settings, dict(secrets)


def refused(error: WireError) -> Refused:
    """A failed test call as a refusal."""
    match error.outcome:
        case Refused() as r:
            return r
        case Unauthorised(code=code, message=message) | Unknown(code=code, message=message):
            return Refused(code, message)
        case NotActed(code=code, message=message):
            return Refused(code, message)


def _at_field(error: WireError, fields: Sequence[Field]) -> Refused:
    """A failed test call as a refusal that names the field to look at: a secret where it was not taken, else the address."""
    answer = refused(error)
    if answer.field:
        return answer
    keys = isinstance(error.outcome, Unauthorised)
    at = (
        next((f.name for f in fields if f.secret), "")
        if keys
        else next((f.name for f in fields if f.name == "url"), "")
    )
    return msgspec.structs.replace(answer, field=at)


class _Wanted(Struct, frozen=True):
    """A shop that is to be bound: its values sorted and found good, nobody called yet."""

    name: str
    kind: type[ShopConnector]
    settings: dict[str, Any]
    secrets: dict[str, str]
    before: int | None
    """The unbound shop that it takes up again."""


async def _wanted(
    p: Pipeline, platform: str, name: str, given: Mapping[str, str], secrets: Mapping[str, str], who: str
) -> _Wanted | Refused:
    if refusal := _bad_name(name) or await persons.refusal(p, who):
        return refusal
    try:
        kind = registry.shop(platform)
    except registry.NoConnector as error:
        return Refused("unknown_platform", str(error))
    sorted_fields = _sort_fields(kind.declaration.fields, given, secrets, shop=True)
    if isinstance(sorted_fields, Refused):
        return sorted_fields
    settings, sealed = {**kind.declaration.begins_with, **sorted_fields[0]}, sorted_fields[1]
    before = await _bound_before(p, platform, name, settings, sealed)
    if isinstance(before, Refused):
        return before
    return _Wanted(name, kind, settings, sealed, before)


async def _test_call(
    p: Pipeline, kind: type[ShopConnector], name: str, settings: dict[str, Any], secrets: dict[str, str]
) -> Checked | Refused:
    """Ask a shop with these values; nothing is kept."""
    binding = p.binding(name, settings, secrets, kind.declaration.limits)
    try:
        return await kind(binding).check()
    except WireError as error:
        return _at_field(error, kind.declaration.fields)
    finally:
        await binding.http.aclose()


async def try_shop(
    p: Pipeline, platform: str, name: str, given: Mapping[str, str], secrets: Mapping[str, str], who: str = ""
) -> Checked | Refused:
    """What `add_shop` would find with these values: the same refusals, the same test call, nothing kept."""
    wanted = await _wanted(p, platform, name, given, secrets, who)
    if isinstance(wanted, Refused):
        return wanted
    return await _test_call(p, wanted.kind, name, wanted.settings, wanted.secrets)


def first_import(p: Pipeline, platform: str, given: Mapping[str, str], found: Checked) -> ImportPolicy:
    """Which orders a shop's first import would take, were it bound now with values that `try_shop` found good."""
    declaration = registry.shop(platform).declaration
    settings = ShopSettings()
    for name, value in given.items():
        answer = changed(settings, name, value) if is_setting(name) else settings
        settings = settings if isinstance(answer, Refused) else answer
    facts = ShopFacts(0, "", platform, _zone(found.zone), True, settings, declaration.capabilities)
    return policy_of(facts, found.currency, p.clock())


async def add_shop(
    p: Pipeline,
    platform: str,
    name: str,
    given: Mapping[str, str],
    secrets: Mapping[str, str],
    who: str = "",
    *,
    found: Checked | None = None,
) -> Set | Refused:
    """Bind a shop: its connector's test call must succeed first. `found` is what `try_shop` answered to the same values."""
    wanted = await _wanted(p, platform, name, given, secrets, who)
    if isinstance(wanted, Refused):
        return wanted
    checked = found or await _test_call(p, wanted.kind, name, wanted.settings, wanted.secrets)
    if isinstance(checked, Refused):
        return checked
    settings, before = wanted.settings, wanted.before
    policy = msgspec.convert({k: v for k, v in settings.items() if is_setting(k)}, ShopSettings)
    async with p.store.transaction() as tx:
        await accounts.install_code(tx)
        await accounts.default_warehouse(tx)
        if before is None:
            shop_id = await accounts.add_shop(
                tx, platform, name, settings, title=checked.title, zone=_zone(checked.zone), currency=checked.currency
            )
        else:
            # Taken up again: its orders, cursor and cut-over are still there; what changed meanwhile is read now.
            shop_id = before
            await shops.bind_again(tx, shop_id, settings)
        account = f"shop:{shop_id}"
        await accounts.update(tx, "shop", shop_id, {"expires_at": checked.expires_at})
        await accounts.set_secrets(tx, p.sealer, account, wanted.secrets)
        await accounts.set_task(tx, account, "orders", policy.orders_every_s * SECOND, tx.now)
        await accounts.set_task(tx, account, "products", policy.products_every_s * SECOND, tx.now)
        await completeness.schedule(tx, account, policy.reconcile_at, _zone(checked.zone))
    return Set(shop_id, name, checked)


async def _bound_before(
    p: Pipeline, platform: str, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]
) -> int | Refused | None:
    """The unbound shop that this one takes up again, None for a new one; a shop is never bound twice."""
    async with p.store.reading() as tx:
        rows = [
            (row, await _is_same(p, tx, row, platform, name, settings, secrets)) for row in await accounts.shops(tx)
        ]
    for row, same in rows:
        if same and row.bound:
            return _already_bound(row.name)
        if same and row.name != name:
            return Refused(
                "bound_before",
                _("That shop was bound before, as {name}: add it under that name to take its orders up again.").format(
                    name=row.name
                ),
                "name",
            )
        if row.name == name:
            if same:
                return int(row.id)
            return Refused("name_taken", _("There is a shop of that name already."), "name")
    return None


async def _is_same(
    p: Pipeline, tx: Tx, row: Any, platform: str, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str]
) -> bool:
    """Are these the settings and secrets of the shop in `row`? Where one address serves every account of a platform (it is
    the declared one), the key tells accounts apart, and once that is forgotten the name."""
    address = _address(settings)
    if row.platform != platform or not address or _address(from_json(row.settings)) != address:
        return False
    fields = registry.shop(platform).declaration.fields
    if address not in {_address({f.name: f.default}) for f in fields}:
        return True
    if not row.bound:
        return bool(row.name == name)
    return await accounts.get_secrets(tx, p.sealer, f"shop:{row.id}") == dict(secrets)


def _address(settings: Mapping[str, Any]) -> str:
    return str(settings.get("url") or settings.get("folder") or "").rstrip("/").lower()


def _already_bound(name: str) -> Refused:
    return Refused("already_bound", _("That shop is bound already, as {name}.").format(name=name), "url")


def _bad_name(name: str) -> Refused | None:
    if not re.fullmatch(r"[\w][\w .\-]{0,39}", name) or name.isdecimal():
        return Refused(
            "bad_name", _("A name has up to 40 letters, digits, spaces, dots or dashes, not only digits."), "name"
        )
    return None


def _zone(name: str) -> str:
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return "UTC"
    return name


def _found(tx: Tx, checked: Checked) -> dict[str, Any]:
    """What a good test call says about a shop that is there."""
    return {"checked_at": tx.now, "currency": checked.currency, "expires_at": checked.expires_at}


async def check_shop(p: Pipeline, shop_id: int) -> Checked | Refused:
    """Test a bound shop's connection; success takes it out of a pause at once."""
    try:
        connector = await p.shop(shop_id)
        checked = await connector.check()
    except WireError as error:
        return refused(error)
    async with p.store.transaction() as tx:
        await outbox.resume(tx, f"shop:{shop_id}")
        await accounts.update(tx, "shop", shop_id, _found(tx, checked))
    return checked


def _changed_settings(
    row: Any, given: Mapping[str, str], secrets: Mapping[str, str]
) -> tuple[dict[str, Any], ShopSettings] | Refused:
    """A shop's settings with these changes, and its policy; or what is wrong with them."""
    settings = from_json(row.settings)
    policy = load_settings(row.settings)
    fields = {f.name: f for f in registry.shop(row.platform).declaration.fields}
    for name, value in given.items():
        if name in fields and fields[name].secret:
            return Refused("secret_in_argument", _("{name} is a secret: use --secret-env.").format(name=name), name)
        if is_setting(name):
            answer = changed(policy, name, value)
            if isinstance(answer, Refused):
                return answer
            policy = answer
            settings[name] = getattr(policy, name)
        elif name in CALL_SETTINGS and not value.strip():
            settings[name] = ""  # As the platform declares it.
        elif name in CALL_SETTINGS or name == "allow_plain_http":
            if refusal := call_setting(name, value):
                return refusal
            settings[name] = value
        elif name in fields:
            if fields[name].required and not value.strip():
                return Refused("missing_field", _("{label} is missing.").format(label=fields[name].label), name)
            settings[name] = value
        else:
            return Refused("unknown_field", _("There is no setting {name}.").format(name=name), name)
    for name in secrets:
        if name not in fields or not fields[name].secret:
            return Refused("unknown_field", _("There is no secret field {name}.").format(name=name), name)
    return settings, policy


async def set_shop(
    p: Pipeline, shop_id: int, given: Mapping[str, str], secrets: Mapping[str, str], who: str = ""
) -> dict[str, Any] | Refused:
    """Change settings, binding fields or secrets of a shop."""
    if refusal := await persons.refusal(p, who):
        return refusal
    async with p.store.reading() as tx:
        row = await accounts.shop(tx, shop_id)
        assert row is not None
        refusal = await _no_permission(p, tx, who, shop_id)
        if refusal is None and "worked_by" in given:
            refusal = await persons.manager_refusal(tx, who)
    if refusal is not None:
        return refusal
    answer = _changed_settings(row, given, secrets)
    if isinstance(answer, Refused):
        return answer
    settings, policy = answer
    async with p.store.transaction() as tx:
        if IMPORT_RULES & given.keys() and (refusal := await _importing(tx, shop_id)):
            return refusal
        await accounts.update(tx, "shop", shop_id, {"settings": as_json(settings)})
        await accounts.set_secrets(tx, p.sealer, f"shop:{shop_id}", secrets)
        for kind, every in (("orders", policy.orders_every_s), ("products", policy.products_every_s)):
            await accounts.set_task(tx, f"shop:{shop_id}", kind, every * SECOND, tx.now)
        if "reconcile_at" in given:
            await completeness.schedule(tx, f"shop:{shop_id}", policy.reconcile_at, row.zone)
    p.forget(f"shop:{shop_id}")
    return dict(settings)


async def rebind_shop(
    p: Pipeline, shop_id: int, given: Mapping[str, str], secrets: Mapping[str, str], who: str = ""
) -> Checked | Refused:
    """Change binding fields or secrets of a bound shop, after a test call with them; what fails it is not kept."""
    if refusal := await persons.refusal(p, who):
        return refusal
    async with p.store.reading() as tx:
        row = await accounts.shop(tx, shop_id)
        others = [other for other in await accounts.shops(tx) if other.id != shop_id]
        kept = await accounts.get_secrets(tx, p.sealer, f"shop:{shop_id}") if row.bound else {}
    if not row.bound:
        return Refused("shop_unbound", _("The shop {name} is unbound.").format(name=row.name))
    answer = _changed_settings(row, given, secrets)
    if isinstance(answer, Refused):
        return answer
    settings, _policy = answer
    async with p.store.reading() as tx:
        for other in others:
            if await _is_same(p, tx, other, row.platform, row.name, settings, {**kept, **secrets}):
                return _already_bound(other.name)
    checked = await _test_call(p, registry.shop(row.platform), row.name, settings, {**kept, **secrets})
    if isinstance(checked, Refused):
        return checked
    done = await set_shop(p, shop_id, given, secrets, who)
    if isinstance(done, Refused):
        return done
    async with p.store.transaction() as tx:
        await outbox.resume(tx, f"shop:{shop_id}")
        await accounts.update(tx, "shop", shop_id, _found(tx, checked))
    return checked


async def import_policy(p: Pipeline, shop_id: int) -> ImportPolicy:
    """How a shop's orders are taken over, its settings and the platform's defaults resolved."""
    async with p.store.reading() as tx:
        row = await accounts.shop(tx, shop_id)
    return policy_of(p.shop_facts(row), row.currency, row.connected_at)


async def unbind_shop(p: Pipeline, shop_id: int, who: str) -> int | Refused:
    """T19: sync stops, orders freeze, queued effects stop with `shop_unbound`; everything is kept. Returns those stopped.

    Refused while the shop's first import runs.
    """
    async with p.store.transaction() as tx:
        person = await persons.resolve(tx, who)
        if isinstance(person, Refused):
            return person
        if refusal := await _no_permission(p, tx, who, shop_id) or await _importing(tx, shop_id):
            return refusal
        return await shops.unbind(tx, shop_id, person)


async def _no_permission(p: Pipeline, tx: Tx, who: str, shop_id: int) -> Refused | None:
    """ROA-03: whoever may not work with a shop's orders does not decide how they are imported either."""
    return await persons.shop_refusal(tx, who, p.shop_facts(await accounts.shop(tx, shop_id)))


async def _importing(tx: Tx, shop_id: int) -> Refused | None:
    """While a first import runs, its rules stand and the shop stays bound."""
    row = await accounts.shop(tx, shop_id)
    if row.first_import_done or not await leases.is_held(tx, f"shop:{shop_id}"):
        return None
    return Refused("import_running", _("The first import is running: wait until it has ended."))


async def cut_over(p: Pipeline, shop_id: int, choice: str, who: str) -> int | Refused:
    """The first-import guard: `ship_these` frees the shop's old open orders, `already_left` books them as shipped outside.

    Nothing is pushed, no stock moves. Returns how many shipments it concerned.
    """
    async with p.store.transaction() as tx:
        person = await persons.resolve(tx, who)
        if isinstance(person, Refused):
            return person
        if refusal := await _no_permission(p, tx, who, shop_id):
            return refusal
        row = await accounts.shop(tx, shop_id)
        if not row.first_import_done:
            return Refused("first_import_running", _("The first import is not whole yet: sync first."))
        if row.cut_over != "open":
            return Refused("nothing_waits", _("No order of a first import waits for a cut-over."))
        return await shops.cut_over(tx, shop_id, choice, person)


# ------------------------------------------------------------------ carriers, printers, warehouses


async def add_carrier(
    p: Pipeline, kind_name: str, name: str, given: Mapping[str, str], secrets: Mapping[str, str], who: str = ""
) -> Set | Refused:
    """Keep a carrier account; its test call must succeed first (P2)."""
    if refusal := _bad_name(name) or await persons.refusal(p, who):
        return refusal
    try:
        kind = registry.carrier(kind_name)
    except registry.NoConnector as error:
        return Refused("unknown_carrier", str(error))
    sorted_fields = _sort_fields(kind.declaration.fields, given, secrets, shop=False)
    if isinstance(sorted_fields, Refused):
        return sorted_fields
    settings, sealed = sorted_fields
    async with p.store.reading() as tx:
        if await accounts.carrier_named(tx, name) is not None:
            return Refused("name_taken", _("There is a carrier account of that name already."), "name")
    binding = p.binding(name, settings, sealed, kind.declaration.limits)
    connector = kind(binding)
    try:
        checked = await connector.check()
        services = connector.services()
    except WireError as error:
        return refused(error)
    finally:
        await binding.http.aclose()
    async with p.store.transaction() as tx:
        await accounts.install_code(tx)
        carrier_id = await accounts.add_carrier(tx, kind_name, name, settings)
        await accounts.set_secrets(tx, p.sealer, f"carrier:{carrier_id}", sealed)
        await accounts.set_services(tx, carrier_id, services)
        await accounts.update(tx, "carrier", carrier_id, {"checked_at": tx.now})
    return Set(carrier_id, name, checked)


async def check_carrier(p: Pipeline, carrier_id: int) -> Checked | Refused:
    """Test a carrier account and refresh its services."""
    try:
        connector = await p.carrier(carrier_id)
        checked = await connector.check()
    except WireError as error:
        return refused(error)
    async with p.store.transaction() as tx:
        await accounts.set_services(tx, carrier_id, connector.services())
        await accounts.update(tx, "carrier", carrier_id, {"checked_at": tx.now})
        await outbox.resume(tx, f"carrier:{carrier_id}")
    return checked


async def import_numbers(
    p: Pipeline, carrier_id: int, lines: Sequence[str], who: str = ""
) -> tuple[int, list[Refused]]:
    """Fill a number pool; numbers whose check digit is wrong are left out and named."""
    if refusal := await persons.refusal(p, who):
        return 0, [refusal]
    async with p.store.reading() as tx:
        row = await accounts.carrier(tx, carrier_id)
    scheme = str(from_json(row.settings).get("check_digit") or "none") if row else "none"
    good: list[str] = []
    bad: list[Refused] = []
    for line in lines:
        number = normalise_number(line)
        if not number:
            continue
        why = check_number(number, scheme)
        if why:
            bad.append(Refused("bad_number", f"{number}: {why}"))
        else:
            good.append(number)
    async with p.store.transaction() as tx:
        added = await accounts.add_pool_numbers(tx, carrier_id, list(dict.fromkeys(good)))
    return added, bad


async def add_printer(p: Pipeline, kind_name: str, name: str, given: Mapping[str, str], who: str = "") -> Set | Refused:
    """Keep a printer of this host; it must be there."""
    if refusal := _bad_name(name) or await persons.refusal(p, who):
        return refusal
    try:
        kind = registry.printer(kind_name)
    except registry.NoConnector as error:
        return Refused("unknown_printer", str(error))
    sorted_fields = _sort_fields(kind.declaration.fields, given, {}, shop=False)
    if isinstance(sorted_fields, Refused):
        return sorted_fields
    async with p.store.reading() as tx:
        if await accounts.printer_named(tx, name) is not None:
            return Refused("name_taken", _("There is a printer of that name already."), "name")
    try:
        checked = await kind(p.binding(name, sorted_fields[0], {}, None)).check()
    except WireError as error:
        return refused(error)
    async with p.store.transaction() as tx:
        printer_id = await accounts.add_printer(tx, kind_name, name, socket.gethostname(), sorted_fields[0])
        await accounts.update(tx, "printer", printer_id, {"checked_at": tx.now})
    return Set(printer_id, name, checked)


async def set_sender(p: Pipeline, warehouse: str, given: Mapping[str, str], who: str = "") -> Address | Refused:
    """Set sender fields of a warehouse ('' = the default one)."""
    if refusal := await persons.refusal(p, who):
        return refusal
    unknown = sorted(set(given) - set(Address.__struct_fields__))
    if unknown:
        names = ", ".join(Address.__struct_fields__)
        return Refused(
            "unknown_field", _("There is no field {name}; known: {names}.").format(name=unknown[0], names=names)
        )
    async with p.store.transaction() as tx:
        row = await accounts.default_warehouse(tx)
        if warehouse:
            row = await accounts.warehouse_named(tx, warehouse)
            if row is None:
                return Refused("not_found", _("There is no warehouse of that name."))
        sender = {**from_json(row.sender), **given}
        await accounts.update(tx, "warehouse", row.id, {"sender": as_json(sender)})
    return msgspec.convert(sender, Address)


async def test_printer(p: Pipeline, printer_id: int, who: str = "") -> str | Refused:  # noqa: PT028
    """Print a test page; returns what the printer calls the job."""
    if refusal := await persons.refusal(p, who):
        return refusal
    label = packing_slip(
        Slip(code="TEST", recipient=Address(name="shipdeck"), lines=(SlipLine("TEST", "测试 Zażółć", 1),))
    )
    connector = await p.printer(printer_id)
    answer = await connector.send(PrintRequest(f"test-{p.clock()}", "test", (label,)))
    return answer.reference if isinstance(answer, Printed) else Refused(answer.code, answer.message)

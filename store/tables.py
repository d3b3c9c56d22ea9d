"""The schema, as SQLAlchemy tables, with the constraints that make duplicates and over-shipment impossible.

Personal data of buyers lives only in: contact, buyer, address, note, raw_order, abnormal.payload and label_file (and, while
it runs, in the arguments of a batch that writes addresses or notes); third parties may repeat some in their sentences
(`reason`, `message`). `store.erasing` knows all of it.
Triggers (over-assignment of order lines, stage counters) stand in `store.triggers`, the index over `buyer.words` (the
names of an order's buyer and recipients, as `domain.search` keeps them) in the migration that made it.
"""

from collections.abc import Iterable
from enum import Enum

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from domain.enums import (
    LIVE_WAYBILL,
    EffectState,
    Op,
    OrderKind,
    OrderStatus,
    Payment,
    PrintState,
    Stage,
    Status,
    Submission,
    WaybillState,
)
from domain.persons import Role
from store.queue import ATTENTION, DUE

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives a rowid alias to INTEGER only; PostgreSQL needs 64 bits.
Id = BigInteger().with_variant(Integer(), "sqlite")


def _id() -> Column[int]:
    return Column("id", Id, primary_key=True)


def _ref(name: str, target: str, *, null: bool = False, index: bool = False, key: bool = False) -> Column[int]:
    return Column(name, Id, ForeignKey(target), nullable=null, index=index, primary_key=key)


def _text(name: str, default: str | None = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=None if default is None else text(f"'{default}'"))


def _int(name: str, default: int | None = 0) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default=None if default is None else text(str(default)))


def _small(name: str, default: int = 0) -> Column[int]:
    return Column(name, SmallInteger, nullable=False, server_default=text(str(default)))


def _at(name: str, *, null: bool = True) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _one_of(column: str, values: Iterable[Enum]) -> CheckConstraint:
    allowed = ", ".join(f"'{v.value}'" for v in sorted(values, key=lambda v: str(v.value)))
    return CheckConstraint(f"{column} IN ({allowed})", name=column)


def _present(name: str, column: str) -> Index:
    there = text(f"{column} <> ''")
    return Index(name, column, sqlite_where=there, postgresql_where=there)


meta = Table("meta", metadata, Column("key", Text, primary_key=True), _text("value"))

# ------------------------------------------------------------------ accounts

lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    _text("owner"),
    _int("until"),
    _int("fence"),
)

worker = Table(
    "worker",
    metadata,
    Column("owner", Text, primary_key=True),
    _text("host"),
    _int("pid"),
    _at("started_at", null=False),
    _at("beat_at", null=False),
    _text("version"),
    # `worker` or `terminal`: a console that is open.
    _text("kind", "worker"),
)

account_health = Table(
    "account_health",
    metadata,
    Column("account", Text, primary_key=True),
    _int("fails"),
    _at("retry_at"),
    _text("paused_code"),
    _text("message"),
    _at("ok_at"),
)

secret = Table(
    "secret",
    metadata,
    Column("account", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    _text("key_id", None),
    Column("sealed", LargeBinary, nullable=False),
)

shop = Table(
    "shop",
    metadata,
    _id(),
    _text("platform", None),
    Column("name", Text, nullable=False, unique=True),
    _text("title"),
    _text("zone", "UTC"),
    _text("currency"),
    _text("settings", "{}"),
    _small("bound", 1),
    _at("connected_at", null=False),
    _at("unbound_at"),
    _at("checked_at"),
    # When its credentials end, where its connector knows.
    _at("expires_at"),
    _text("cut_over", "none"),
    _small("first_import_done"),
    _int("older_orders"),
    CheckConstraint("bound IN (0, 1)", name="bound"),
    CheckConstraint("cut_over IN ('none', 'open', 'ship_these', 'already_left')", name="cut_over"),
)

carrier = Table(
    "carrier",
    metadata,
    _id(),
    _text("kind", None),
    Column("name", Text, nullable=False, unique=True),
    _text("settings", "{}"),
    _at("checked_at"),
    _small("bound", 1),
)

service = Table(
    "service",
    metadata,
    _id(),
    _ref("carrier_id", "carrier.id"),
    _text("code", None),
    _text("name", None),
    _text("data", "{}"),
    _small("enabled", 1),
    UniqueConstraint("carrier_id", "code"),
)

printer = Table(
    "printer",
    metadata,
    _id(),
    _text("kind", None),
    Column("name", Text, nullable=False, unique=True),
    _text("host", None),
    _text("settings", "{}"),
    _at("checked_at"),
    _small("is_default"),
)

warehouse = Table(
    "warehouse",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    _text("kind", "own"),
    _text("sender", "{}"),
    _small("is_default"),
    CheckConstraint("kind IN ('own', 'third_party')", name="kind"),
)

sync_task = Table(
    "sync_task",
    metadata,
    Column("account", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    _small("enabled", 1),
    _int("every_ms"),
    _at("due_at", null=False),
    _text("cursor"),
    _at("started_at"),
    _at("ok_at"),
    _int("seen"),
    _int("changed"),
    _int("fails"),
    _text("code"),
    _text("message"),
    Index("ix_sync_task_due", "due_at"),
)

# ------------------------------------------------------------------ people

_is_owner = text("role = 'owner' AND active = 1")

operator = Table(
    "operator",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("name_key", Text, nullable=False, unique=True),
    _text("role", None),
    _small("lead"),
    _small("active", 1),
    _at("created_at", null=False),
    _text("created_by"),
    _one_of("role", Role),
    CheckConstraint("lead IN (0, 1)", name="lead"),
    CheckConstraint("active IN (0, 1)", name="active"),
    # Two terminals may each name the first owner, or hand over, at the same moment: one of them is refused.
    Index("uq_operator_owner", "role", unique=True, sqlite_where=_is_owner, postgresql_where=_is_owner),
)

contact = Table(
    "contact",
    metadata,
    _id(),
    _text("name"),
    _text("phone"),
    _text("email"),
    Column("phone_key", Text, unique=True),
    Column("email_key", Text, unique=True),
    _at("created_at", null=False),
)

# ------------------------------------------------------------------ goods

category = Table(
    "category",
    metadata,
    _id(),
    _ref("parent_id", "category.id", null=True),
    _text("name", None),
    _text("name_key", None),
    Index("uq_category_place", text("coalesce(parent_id, 0)"), "name_key", unique=True),
)

product = Table(
    "product",
    metadata,
    _id(),
    _text("code"),
    _text("name", None),
    _text("description"),
    _text("unit", "piece"),
    _ref("category_id", "category.id", null=True),
    _at("created_at", null=False),
)

variant = Table(
    "variant",
    metadata,
    _id(),
    _ref("product_id", "product.id", index=True),
    _text("sku"),
    _text("name", None),
    _small("tracked"),
    _int("weight_g"),
    _text("bin"),
    _text("customs", "{}"),
    _at("created_at", null=False),
    Index("ix_variant_sku", "sku"),
)

listing = Table(
    "listing",
    metadata,
    _id(),
    _ref("shop_id", "shop.id"),
    _text("platform_product_id", None),
    _text("platform_variant_id"),
    _text("sku"),
    _text("name"),
    _text("match_key"),
    _text("problem"),
    UniqueConstraint("shop_id", "platform_product_id", "platform_variant_id"),
)

listing_item = Table(
    "listing_item",
    metadata,
    _ref("listing_id", "listing.id", key=True),
    _ref("variant_id", "variant.id", key=True),
    _int("quantity", 1),
    CheckConstraint("quantity > 0", name="quantity"),
    Index("ix_listing_item_variant_id", "variant_id"),
)

_stands_open = text("code <> '' OR missing + strangers > 0")

proof = Table(
    "proof",
    metadata,
    _ref("shop_id", "shop.id", key=True),
    # The shop's own calendar day, as 2026-11-22; `until` is how far into it the platform was asked.
    Column("day", Text, primary_key=True),
    _at("until", null=False),
    _int("listed"),
    _int("held"),
    _int("excluded"),
    _int("abnormal"),
    _int("missing"),
    _int("strangers"),
    # {"excluded": {reason: n}, "abnormal": {code: n}} and [[platform id, number, reason code], ...].
    _text("reasons", "{}"),
    _text("differing", "[]"),
    _at("proved_at"),
    # The last attempt, and why it proved nothing.
    _at("tried_at", null=False),
    _text("code"),
    _text("message"),
    Index("ix_proof_open", "shop_id", sqlite_where=_stands_open, postgresql_where=_stands_open),
)

# ------------------------------------------------------------------ orders

orders = Table(
    "orders",
    metadata,
    _id(),
    _ref("shop_id", "shop.id"),
    _text("platform_order_id", None),
    _text("number", None),
    _text("status", None),
    _text("raw_status"),
    _text("kind", None),
    _text("payment", None),
    _text("currency", None),
    _int("total_minor", None),
    _int("shipping_minor"),
    _text("shipping_method"),
    _text("pickup_point"),
    _small("after_sale"),
    _at("created_at", null=False),
    _at("paid_at"),
    _at("updated_at", null=False),
    _at("deadline"),
    _at("imported_at", null=False),
    Column("content_hash", LargeBinary, nullable=False),
    _ref("address_id", "address.id", null=True),
    _text("warnings"),
    UniqueConstraint("shop_id", "platform_order_id"),
    Index("ix_orders_number", "number"),
    Index("ix_orders_created", "shop_id", "created_at"),
    _one_of("status", OrderStatus),
    _one_of("kind", OrderKind),
    _one_of("payment", Payment),
)

order_line = Table(
    "order_line",
    metadata,
    _id(),
    _ref("order_id", "orders.id"),
    _int("position"),
    _text("platform_line_id", None),
    _text("name", None),
    _text("sku"),
    _text("options"),
    _text("platform_product_id"),
    _text("platform_variant_id"),
    _ref("listing_id", "listing.id", null=True),
    _int("quantity", None),
    _int("cancelled"),
    _text("unit_price", "0"),
    _int("total_minor"),
    _small("ships", 1),
    _int("fulfilled"),
    UniqueConstraint("order_id", "platform_line_id"),
    Index("ix_order_line_sku", "sku", "order_id"),
    CheckConstraint("quantity >= 0", name="quantity"),
    CheckConstraint("cancelled >= 0 AND cancelled <= quantity", name="cancelled"),
)

buyer = Table(
    "buyer",
    metadata,
    _ref("order_id", "orders.id", key=True),
    _ref("contact_id", "contact.id", null=True, index=True),
    _text("first_name"),
    _text("last_name"),
    _text("phone"),
    _text("email"),
    _text("phone_key"),
    _text("email_key"),
    _small("redacted"),
    _text("words"),
    _present("ix_buyer_phone_key", "phone_key"),
    _present("ix_buyer_email_key", "email_key"),
    Index("ix_buyer_last_name", "last_name"),
)

address = Table(
    "address",
    metadata,
    _id(),
    # Not a foreign key: orders.address_id already points back here, and a cycle helps nobody.
    _int("order_id", None),
    _text("source", "platform"),
    _text("name"),
    _text("company"),
    _text("line1"),
    _text("line2"),
    _text("city"),
    _text("state"),
    _text("postcode"),
    _text("country"),
    _text("phone"),
    _text("email"),
    _text("fingerprint", None),
    _at("created_at", null=False),
    _text("who"),
    Index("ix_address_order_id", "order_id"),
    CheckConstraint("source IN ('platform', 'ours')", name="source"),
)

raw_order = Table(
    "raw_order",
    metadata,
    _ref("order_id", "orders.id", key=True),
    Column("payload", LargeBinary, nullable=False),
    _at("at", null=False),
)

left_out = Table(
    "left_out",
    metadata,
    _ref("shop_id", "shop.id", key=True),
    Column("platform_order_id", Text, primary_key=True),
    _text("number"),
    _text("reason", None),
    _text("detail"),
    _at("first_at", null=False),
    _at("last_at", null=False),
)

abnormal = Table(
    "abnormal",
    metadata,
    _id(),
    _ref("shop_id", "shop.id"),
    _text("platform_order_id", None),
    _text("code", None),
    _text("message"),
    Column("payload", LargeBinary, nullable=False),
    _text("state", "open"),
    _at("first_at", null=False),
    _at("last_at", null=False),
    _int("tries", 1),
    UniqueConstraint("shop_id", "platform_order_id"),
    CheckConstraint("state IN ('open', 'solved', 'dismissed')", name="state"),
)

# ------------------------------------------------------------------ shipments

_DUE = text(DUE.replace("s.", ""))
_ATTENTION = text(ATTENTION.replace("s.", ""))

shipment = Table(
    "shipment",
    metadata,
    _id(),
    _ref("shop_id", "shop.id"),
    _ref("order_id", "orders.id", index=True),
    _small("stage", int(Stage.REVIEW)),
    _text("status", "open"),
    _int("version", 1),
    _int("flags"),
    _text("hold_reason"),
    _small("mark"),
    _at("ship_by"),
    _ref("warehouse_id", "warehouse.id", null=True),
    _ref("service_id", "service.id", null=True),
    _ref("address_id", "address.id", null=True),
    _text("code"),
    _text("reason"),
    _text("print_state", "none"),
    _int("copies"),
    _at("printed_at"),
    _small("deducted"),
    _int("cycle"),
    _at("shipped_at"),
    _small("unchecked"),
    _at("collected_at"),
    _text("collected_by"),
    _text("courier"),
    _at("created_at", null=False),
    _at("changed_at", null=False),
    Index("ix_shipment_queue", "stage", _DUE, "id"),
    Index("ix_shipment_status_queue", "stage", "status", _DUE, "id"),
    # Few rows of many, with all that says why: a stage's troubles are counted and listed without its other shipments.
    # `ship_by` stands there a second time: SQLite before 3.41 does not see that the index holds what its expression needs.
    Index(
        "ix_shipment_attention",
        "stage",
        _DUE,
        "id",
        "flags",
        "status",
        "hold_reason",
        "ship_by",
        sqlite_where=_ATTENTION,
        postgresql_where=_ATTENTION,
    ),
    Index("ix_shipment_shipped", "shipped_at", "id"),
    CheckConstraint(f"stage BETWEEN {int(min(Stage))} AND {int(max(Stage))}", name="stage"),
    CheckConstraint("deducted IN (0, 1)", name="deducted"),
    _one_of("status", Status),
    _one_of("print_state", PrintState),
)

shipment_line = Table(
    "shipment_line",
    metadata,
    _ref("shipment_id", "shipment.id", key=True),
    _ref("order_line_id", "order_line.id", key=True),
    _int("quantity", None),
    CheckConstraint("quantity > 0", name="quantity"),
    Index("ix_shipment_line_order_line_id", "order_line_id"),
)

submission = Table(
    "submission",
    metadata,
    _ref("shipment_id", "shipment.id", key=True),
    _ref("order_id", "orders.id", key=True),
    _text("state", "none"),
    _text("number"),
    _text("code"),
    _text("reason"),
    _at("at"),
    _one_of("state", Submission),
    Index("ix_submission_order_id", "order_id"),
)

note = Table(
    "note",
    metadata,
    _id(),
    _ref("order_id", "orders.id", null=True, index=True),
    _ref("shipment_id", "shipment.id", null=True, index=True),
    _text("kind", None),
    _text("text", None),
    _text("who"),
    _at("at", null=False),
    _at("read_at"),
    _text("read_by"),
    CheckConstraint("kind IN ('buyer', 'seller', 'ours', 'delivery')", name="kind"),
)

customs_line = Table(
    "customs_line",
    metadata,
    _ref("shipment_id", "shipment.id", key=True),
    _ref("order_line_id", "order_line.id", key=True),
    _text("name_local"),
    _text("name_en"),
    _text("hs_code"),
    _text("origin"),
    _int("unit_weight_g"),
    _int("unit_value_minor"),
    _text("currency"),
    _text("battery", "none"),
    _small("liquid"),
)

_live = ", ".join(f"'{s.value}'" for s in sorted(LIVE_WAYBILL))

waybill = Table(
    "waybill",
    metadata,
    _id(),
    _ref("shipment_id", "shipment.id"),
    _int("generation", None),
    _ref("carrier_id", "carrier.id"),
    _ref("service_id", "service.id"),
    _text("reference", None),
    _text("state", "requesting"),
    _text("number"),
    _text("tracking"),
    _text("carrier_order"),
    _ref("address_id", "address.id", null=True),
    _text("address_print"),
    _text("lines", "[]"),
    _text("lines_print"),
    _int("cost_minor"),
    _text("cost_currency"),
    _text("code"),
    _text("reason"),
    _text("field"),
    _at("requested_at", null=False),
    _at("obtained_at"),
    _at("ended_at"),
    UniqueConstraint("shipment_id", "generation"),
    UniqueConstraint("carrier_id", "reference"),
    Index(
        "uq_waybill_live",
        "shipment_id",
        unique=True,
        sqlite_where=text(f"state IN ({_live})"),
        postgresql_where=text(f"state IN ({_live})"),
    ),
    Index(
        "uq_waybill_number",
        "carrier_id",
        "number",
        unique=True,
        sqlite_where=text("number <> ''"),
        postgresql_where=text("number <> ''"),
    ),
    Index("ix_waybill_number", "number"),
    _one_of("state", WaybillState),
)

label_file = Table(
    "label_file",
    metadata,
    _ref("waybill_id", "waybill.id", key=True),
    _text("media", None),
    Column("data", LargeBinary, nullable=False),
    _int("pages", 1),
    _at("at", null=False),
)

pool_number = Table(
    "pool_number",
    metadata,
    _id(),
    _ref("carrier_id", "carrier.id"),
    _text("number", None),
    _text("state", "free"),
    _text("reference"),
    _at("at", null=False),
    UniqueConstraint("carrier_id", "number"),
    Index("ix_pool_number_free", "carrier_id", "state", "id"),
    Index("ix_pool_number_reference", "carrier_id", "reference"),
    CheckConstraint("state IN ('free', 'used', 'void')", name="state"),
)

# ------------------------------------------------------------------ stock

stock = Table(
    "stock",
    metadata,
    _ref("variant_id", "variant.id", key=True),
    _ref("warehouse_id", "warehouse.id", key=True),
    _int("on_hand"),
    _int("reserved"),
    CheckConstraint("on_hand >= 0", name="on_hand"),
    CheckConstraint("reserved >= 0 AND reserved <= on_hand", name="reserved"),
)

allocation = Table(
    "allocation",
    metadata,
    _ref("shipment_id", "shipment.id", key=True),
    _ref("variant_id", "variant.id", key=True),
    _ref("warehouse_id", "warehouse.id", key=True),
    _int("quantity", None),
    _at("at", null=False),
    CheckConstraint("quantity > 0", name="quantity"),
    Index("ix_allocation_variant", "variant_id", "warehouse_id", "at"),
)

stock_move = Table(
    "stock_move",
    metadata,
    _id(),
    Column("key", Text, nullable=False, unique=True),
    _ref("variant_id", "variant.id"),
    _ref("warehouse_id", "warehouse.id"),
    _int("on_hand"),
    _int("reserved"),
    _text("reason", None),
    _ref("shipment_id", "shipment.id", null=True, index=True),
    _text("who"),
    _at("at", null=False),
    Index("ix_stock_move_variant", "variant_id", "warehouse_id", "id"),
)

# What moved and nobody has taken note of yet; only triggers and `store.stock_pushes` write it. No references: it is
# written with every line of every order, and read within a second.
stock_change = Table(
    "stock_change",
    metadata,
    _id(),
    Column("listing_id", Id),
    Column("variant_id", Id),
    Column("shop_id", Id),
    _int("pieces"),
)

stock_push = Table(
    "stock_push",
    metadata,
    _ref("listing_id", "listing.id", key=True),
    _ref("shop_id", "shop.id"),
    # Pieces that shipments not shipped or closed want of it, whether reserved or not.
    _int("wanted"),
    _int("version"),
    # Waits since; next due (NULL: nothing is to be told, or, with a code, refused and parked).
    _at("since"),
    _at("due_at"),
    _small("look"),
    Column("sent", BigInteger),
    _at("sent_at"),
    _at("unsure_at"),
    _int("tries"),
    _int("heat"),
    _text("code"),
    _text("message"),
    Index("ix_stock_push_due", "shop_id", "due_at"),
)

# ------------------------------------------------------------------ outbox, batches, history

_unsettled = text("state IN ('queued', 'running', 'unknown')")

effect = Table(
    "effect",
    metadata,
    _id(),
    Column("key", Text, nullable=False, unique=True),
    _text("account", None),
    _text("op", None),
    _ref("shipment_id", "shipment.id", null=True),
    _ref("order_id", "orders.id", null=True),
    _ref("waybill_id", "waybill.id", null=True, index=True),
    _ref("batch_id", "batch.id", null=True),
    _text("payload", "{}"),
    _text("state", "queued"),
    _int("attempts"),
    _at("due_at", null=False),
    _int("fence"),
    _at("started_at"),
    _at("unknown_since"),
    _int("looks"),
    _text("code"),
    _text("message"),
    _at("created_at", null=False),
    _at("ended_at"),
    Index("ix_effect_due", "account", "due_at", "id", sqlite_where=_unsettled, postgresql_where=_unsettled),
    Index("ix_effect_shipment", "shipment_id", "id"),
    Index("ix_effect_batch", "batch_id"),
    Index("ix_effect_state", "state"),
    _one_of("state", EffectState),
    _one_of("op", Op),
)

batch = Table(
    "batch",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    _text("command", None),
    _text("arguments", "{}"),
    _text("who"),
    _text("source", "command_line"),
    _text("state", "queued"),
    _int("total"),
    _int("done"),
    _int("refused"),
    _at("created_at", null=False),
    _at("ended_at"),
    _small("undone"),
    CheckConstraint("state IN ('queued', 'running', 'done', 'cancelled')", name="state"),
    Index("ix_batch_state", "state"),
)

batch_item = Table(
    "batch_item",
    metadata,
    _ref("batch_id", "batch.id", key=True),
    Column("position", Integer, primary_key=True),
    _ref("shipment_id", "shipment.id", null=False),
    _int("seen_version"),
    _text("outcome"),
    _text("code"),
    _text("reason"),
    _int("version"),
    _text("before"),
    Index("ix_batch_item_shipment", "shipment_id"),
    CheckConstraint("outcome IN ('', 'done', 'refused')", name="outcome"),
)

event = Table(
    "event",
    metadata,
    _id(),
    _at("at", null=False),
    _text("who"),
    _text("kind", None),
    _ref("shipment_id", "shipment.id", null=True),
    _ref("order_id", "orders.id", null=True),
    _ref("batch_id", "batch.id", null=True),
    _text("data", "{}"),
    Index("ix_event_shipment", "shipment_id", "id"),
    Index("ix_event_order", "order_id", "id"),
)

stage_count = Table(
    "stage_count",
    metadata,
    _id(),
    _ref("shop_id", "shop.id"),
    _small("stage"),
    _text("status", None),
    _int("n", None),
    Index("ix_stage_count_place", "shop_id", "stage", "status"),
)

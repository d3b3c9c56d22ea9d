"""The first schema."""

import sqlalchemy as sa
from alembic import op

from store.triggers import POSTGRESQL, SQLITE

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "account_health",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("fails", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("retry_at", sa.BigInteger(), nullable=True),
        sa.Column("paused_code", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("message", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("ok_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_account_health")),
    )
    op.create_table(
        "address",
        sa.Column("id", Id, nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), server_default=sa.text("'platform'"), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("company", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("line1", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("line2", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("city", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("postcode", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("country", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("phone", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("email", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.CheckConstraint("source IN ('platform', 'ours')", name=op.f("ck_address_source")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address")),
    )
    with op.batch_alter_table("address", schema=None) as batch_op:
        batch_op.create_index("ix_address_order_id", ["order_id"], unique=False)

    op.create_table(
        "batch",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("arguments", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("who", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("source", sa.Text(), server_default=sa.text("'command_line'"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'queued'"), nullable=False),
        sa.Column("total", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refused", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("undone", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("state IN ('queued', 'running', 'done', 'cancelled')", name=op.f("ck_batch_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batch")),
        sa.UniqueConstraint("name", name=op.f("uq_batch_name")),
    )
    with op.batch_alter_table("batch", schema=None) as batch_op:
        batch_op.create_index("ix_batch_state", ["state"], unique=False)

    op.create_table(
        "carrier",
        sa.Column("id", Id, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=True),
        sa.Column("bound", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carrier")),
        sa.UniqueConstraint("name", name=op.f("uq_carrier_name")),
    )
    op.create_table(
        "category",
        sa.Column("id", Id, nullable=False),
        sa.Column("parent_id", Id, nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["category.id"], name=op.f("fk_category_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_category")),
    )
    op.create_table(
        "contact",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("phone", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("email", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("phone_key", sa.Text(), nullable=True),
        sa.Column("email_key", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact")),
        sa.UniqueConstraint("email_key", name=op.f("uq_contact_email_key")),
        sa.UniqueConstraint("phone_key", name=op.f("uq_contact_phone_key")),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("until", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )
    op.create_table(
        "printer",
        sa.Column("id", Id, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=True),
        sa.Column("is_default", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_printer")),
        sa.UniqueConstraint("name", name=op.f("uq_printer_name")),
    )
    op.create_table(
        "secret",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("account", "field", name=op.f("pk_secret")),
    )
    op.create_table(
        "shop",
        sa.Column("id", Id, nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("zone", sa.Text(), server_default=sa.text("'UTC'"), nullable=False),
        sa.Column("currency", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("settings", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("bound", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("connected_at", sa.BigInteger(), nullable=False),
        sa.Column("unbound_at", sa.BigInteger(), nullable=True),
        sa.Column("checked_at", sa.BigInteger(), nullable=True),
        sa.Column("cut_over", sa.Text(), server_default=sa.text("'none'"), nullable=False),
        sa.Column("first_import_done", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("older_orders", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("cut_over IN ('none', 'open', 'ship_these', 'already_left')", name=op.f("ck_shop_cut_over")),
        sa.CheckConstraint("bound IN (0, 1)", name=op.f("ck_shop_bound")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shop")),
        sa.UniqueConstraint("name", name=op.f("uq_shop_name")),
    )
    op.create_table(
        "sync_task",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("enabled", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("every_ms", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ok_at", sa.BigInteger(), nullable=True),
        sa.Column("seen", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("fails", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("code", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("message", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.PrimaryKeyConstraint("account", "kind", name=op.f("pk_sync_task")),
    )
    with op.batch_alter_table("sync_task", schema=None) as batch_op:
        batch_op.create_index("ix_sync_task_due", ["due_at"], unique=False)

    op.create_table(
        "warehouse",
        sa.Column("id", Id, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), server_default=sa.text("'own'"), nullable=False),
        sa.Column("sender", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("is_default", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("kind IN ('own', 'third_party')", name=op.f("ck_warehouse_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_warehouse")),
        sa.UniqueConstraint("name", name=op.f("uq_warehouse_name")),
    )
    op.create_table(
        "worker",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("pid", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("beat_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_worker")),
    )
    op.create_table(
        "abnormal",
        sa.Column("id", Id, nullable=False),
        sa.Column("shop_id", Id, nullable=False),
        sa.Column("platform_order_id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("state IN ('open', 'solved', 'dismissed')", name=op.f("ck_abnormal_state")),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_abnormal_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_abnormal")),
        sa.UniqueConstraint("shop_id", "platform_order_id", name=op.f("uq_abnormal_shop_id_platform_order_id")),
    )
    op.create_table(
        "left_out",
        sa.Column("shop_id", Id, nullable=False),
        sa.Column("platform_order_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_left_out_shop_id")),
        sa.PrimaryKeyConstraint("shop_id", "platform_order_id", name=op.f("pk_left_out")),
    )
    op.create_table(
        "listing",
        sa.Column("id", Id, nullable=False),
        sa.Column("shop_id", Id, nullable=False),
        sa.Column("platform_product_id", sa.Text(), nullable=False),
        sa.Column("platform_variant_id", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("sku", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("name", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("match_key", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("problem", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_listing_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing")),
        sa.UniqueConstraint(
            "shop_id",
            "platform_product_id",
            "platform_variant_id",
            name=op.f("uq_listing_shop_id_platform_product_id_platform_variant_id"),
        ),
    )
    op.create_table(
        "orders",
        sa.Column("id", Id, nullable=False),
        sa.Column("shop_id", Id, nullable=False),
        sa.Column("platform_order_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("raw_status", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("payment", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("shipping_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("shipping_method", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("pickup_point", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("after_sale", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("paid_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=True),
        sa.Column("imported_at", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("address_id", Id, nullable=True),
        sa.Column("warnings", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('delivery', 'pickup', 'pickup_point', 'same_city', 'virtual')", name=op.f("ck_orders_kind")
        ),
        sa.CheckConstraint("payment IN ('marked', 'on_delivery', 'prepaid')", name=op.f("ck_orders_payment")),
        sa.CheckConstraint(
            "status IN ('cancelled', 'completed', 'deleted', 'failed', 'on_hold', 'open', 'refunded', 'shipped', 'unpaid')",
            name=op.f("ck_orders_status"),
        ),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_orders_address_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_orders_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("shop_id", "platform_order_id", name=op.f("uq_orders_shop_id_platform_order_id")),
    )
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.create_index("ix_orders_number", ["number"], unique=False)

    op.create_table(
        "pool_number",
        sa.Column("id", Id, nullable=False),
        sa.Column("carrier_id", Id, nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'free'"), nullable=False),
        sa.Column("reference", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('free', 'used', 'void')", name=op.f("ck_pool_number_state")),
        sa.ForeignKeyConstraint(["carrier_id"], ["carrier.id"], name=op.f("fk_pool_number_carrier_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pool_number")),
        sa.UniqueConstraint("carrier_id", "number", name=op.f("uq_pool_number_carrier_id_number")),
    )
    with op.batch_alter_table("pool_number", schema=None) as batch_op:
        batch_op.create_index("ix_pool_number_free", ["carrier_id", "state", "id"], unique=False)
        batch_op.create_index("ix_pool_number_reference", ["carrier_id", "reference"], unique=False)

    op.create_table(
        "product",
        sa.Column("id", Id, nullable=False),
        sa.Column("code", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("unit", sa.Text(), server_default=sa.text("'piece'"), nullable=False),
        sa.Column("category_id", Id, nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["category_id"], ["category.id"], name=op.f("fk_product_category_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_product")),
    )
    op.create_table(
        "service",
        sa.Column("id", Id, nullable=False),
        sa.Column("carrier_id", Id, nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("enabled", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.ForeignKeyConstraint(["carrier_id"], ["carrier.id"], name=op.f("fk_service_carrier_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service")),
        sa.UniqueConstraint("carrier_id", "code", name=op.f("uq_service_carrier_id_code")),
    )
    op.create_table(
        "stage_count",
        sa.Column("id", Id, nullable=False),
        sa.Column("shop_id", Id, nullable=False),
        sa.Column("stage", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_stage_count_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stage_count")),
    )
    with op.batch_alter_table("stage_count", schema=None) as batch_op:
        batch_op.create_index("ix_stage_count_place", ["shop_id", "stage", "status"], unique=False)

    op.create_table(
        "buyer",
        sa.Column("order_id", Id, nullable=False),
        sa.Column("contact_id", Id, nullable=True),
        sa.Column("first_name", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("last_name", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("phone", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("email", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("phone_key", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("email_key", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("redacted", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contact.id"], name=op.f("fk_buyer_contact_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_buyer_order_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_buyer")),
    )
    with op.batch_alter_table("buyer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_buyer_contact_id"), ["contact_id"], unique=False)
        batch_op.create_index(
            "ix_buyer_email_key",
            ["email_key"],
            unique=False,
            sqlite_where=sa.text("email_key <> ''"),
            postgresql_where=sa.text("email_key <> ''"),
        )
        batch_op.create_index("ix_buyer_last_name", ["last_name"], unique=False)
        batch_op.create_index(
            "ix_buyer_phone_key",
            ["phone_key"],
            unique=False,
            sqlite_where=sa.text("phone_key <> ''"),
            postgresql_where=sa.text("phone_key <> ''"),
        )

    op.create_table(
        "order_line",
        sa.Column("id", Id, nullable=False),
        sa.Column("order_id", Id, nullable=False),
        sa.Column("position", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("platform_line_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("options", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("platform_product_id", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("platform_variant_id", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("listing_id", Id, nullable=True),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("cancelled", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unit_price", sa.Text(), server_default=sa.text("'0'"), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ships", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("cancelled >= 0 AND cancelled <= quantity", name=op.f("ck_order_line_cancelled")),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_order_line_quantity")),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("fk_order_line_listing_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_order_line_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_line")),
        sa.UniqueConstraint("order_id", "platform_line_id", name=op.f("uq_order_line_order_id_platform_line_id")),
    )
    with op.batch_alter_table("order_line", schema=None) as batch_op:
        batch_op.create_index("ix_order_line_sku", ["sku", "order_id"], unique=False)

    op.create_table(
        "raw_order",
        sa.Column("order_id", Id, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_raw_order_order_id")),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_raw_order")),
    )
    op.create_table(
        "shipment",
        sa.Column("id", Id, nullable=False),
        sa.Column("shop_id", Id, nullable=False),
        sa.Column("order_id", Id, nullable=False),
        sa.Column("stage", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("status", sa.Text(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("flags", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("hold_reason", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("mark", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ship_by", sa.BigInteger(), nullable=True),
        sa.Column("warehouse_id", Id, nullable=True),
        sa.Column("service_id", Id, nullable=True),
        sa.Column("address_id", Id, nullable=True),
        sa.Column("code", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("print_state", sa.Text(), server_default=sa.text("'none'"), nullable=False),
        sa.Column("copies", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("printed_at", sa.BigInteger(), nullable=True),
        sa.Column("deducted", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cycle", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("shipped_at", sa.BigInteger(), nullable=True),
        sa.Column("unchecked", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("collected_at", sa.BigInteger(), nullable=True),
        sa.Column("collected_by", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("courier", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "print_state IN ('asked', 'confirmed', 'none', 'sent', 'unknown')", name=op.f("ck_shipment_print_state")
        ),
        sa.CheckConstraint(
            "status IN ('cancelled', 'checking', 'closing', 'discarded', 'elsewhere', 'empty', 'failed', 'ignored', 'in_stock', 'merged', 'obtained', 'open', 'out_of_stock', 'outside', 'pushing', 'ready', 'refunded', 'requesting', 'succeeded', 'unknown', 'waiting')",
            name=op.f("ck_shipment_status"),
        ),
        sa.CheckConstraint("deducted IN (0, 1)", name=op.f("ck_shipment_deducted")),
        sa.CheckConstraint("stage BETWEEN 1 AND 6", name=op.f("ck_shipment_stage")),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_shipment_address_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_shipment_order_id")),
        sa.ForeignKeyConstraint(["service_id"], ["service.id"], name=op.f("fk_shipment_service_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shop.id"], name=op.f("fk_shipment_shop_id")),
        sa.ForeignKeyConstraint(["warehouse_id"], ["warehouse.id"], name=op.f("fk_shipment_warehouse_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipment")),
    )
    with op.batch_alter_table("shipment", schema=None) as batch_op:
        batch_op.create_index(
            "ix_shipment_open",
            ["stage", "ship_by", "id"],
            unique=False,
            sqlite_where=sa.text("stage < 5"),
            postgresql_where=sa.text("stage < 5"),
        )
        batch_op.create_index(batch_op.f("ix_shipment_order_id"), ["order_id"], unique=False)
        batch_op.create_index("ix_shipment_shipped", ["shipped_at", "id"], unique=False)
        batch_op.create_index("ix_shipment_stage_status", ["stage", "status", "id"], unique=False)

    op.create_table(
        "variant",
        sa.Column("id", Id, nullable=False),
        sa.Column("product_id", Id, nullable=False),
        sa.Column("sku", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("tracked", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("weight_g", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bin", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("customs", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["product_id"], ["product.id"], name=op.f("fk_variant_product_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_variant")),
    )
    with op.batch_alter_table("variant", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_variant_product_id"), ["product_id"], unique=False)
        batch_op.create_index("ix_variant_sku", ["sku"], unique=False)

    op.create_table(
        "allocation",
        sa.Column("shipment_id", Id, nullable=False),
        sa.Column("variant_id", Id, nullable=False),
        sa.Column("warehouse_id", Id, nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_allocation_quantity")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_allocation_shipment_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_allocation_variant_id")),
        sa.ForeignKeyConstraint(["warehouse_id"], ["warehouse.id"], name=op.f("fk_allocation_warehouse_id")),
        sa.PrimaryKeyConstraint("shipment_id", "variant_id", "warehouse_id", name=op.f("pk_allocation")),
    )
    with op.batch_alter_table("allocation", schema=None) as batch_op:
        batch_op.create_index("ix_allocation_variant", ["variant_id", "warehouse_id", "at"], unique=False)

    op.create_table(
        "batch_item",
        sa.Column("batch_id", Id, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("shipment_id", Id, nullable=False),
        sa.Column("seen_version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("outcome", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("code", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("version", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("before", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.CheckConstraint("outcome IN ('', 'done', 'refused')", name=op.f("ck_batch_item_outcome")),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_batch_item_batch_id")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_batch_item_shipment_id")),
        sa.PrimaryKeyConstraint("batch_id", "position", name=op.f("pk_batch_item")),
    )
    with op.batch_alter_table("batch_item", schema=None) as batch_op:
        batch_op.create_index("ix_batch_item_shipment", ["shipment_id"], unique=False)

    op.create_table(
        "customs_line",
        sa.Column("shipment_id", Id, nullable=False),
        sa.Column("order_line_id", Id, nullable=False),
        sa.Column("name_local", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("name_en", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("hs_code", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("origin", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("unit_weight_g", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("unit_value_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("currency", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("battery", sa.Text(), server_default=sa.text("'none'"), nullable=False),
        sa.Column("liquid", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["order_line_id"], ["order_line.id"], name=op.f("fk_customs_line_order_line_id")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_customs_line_shipment_id")),
        sa.PrimaryKeyConstraint("shipment_id", "order_line_id", name=op.f("pk_customs_line")),
    )
    op.create_table(
        "event",
        sa.Column("id", Id, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("shipment_id", Id, nullable=True),
        sa.Column("order_id", Id, nullable=True),
        sa.Column("batch_id", Id, nullable=True),
        sa.Column("data", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_event_batch_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_event_order_id")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_event_shipment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index("ix_event_order", ["order_id", "id"], unique=False)
        batch_op.create_index("ix_event_shipment", ["shipment_id", "id"], unique=False)

    op.create_table(
        "listing_item",
        sa.Column("listing_id", Id, nullable=False),
        sa.Column("variant_id", Id, nullable=False),
        sa.Column("quantity", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_listing_item_quantity")),
        sa.ForeignKeyConstraint(["listing_id"], ["listing.id"], name=op.f("fk_listing_item_listing_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_listing_item_variant_id")),
        sa.PrimaryKeyConstraint("listing_id", "variant_id", name=op.f("pk_listing_item")),
    )
    with op.batch_alter_table("listing_item", schema=None) as batch_op:
        batch_op.create_index("ix_listing_item_variant_id", ["variant_id"], unique=False)

    op.create_table(
        "note",
        sa.Column("id", Id, nullable=False),
        sa.Column("order_id", Id, nullable=True),
        sa.Column("shipment_id", Id, nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.Column("read_by", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.CheckConstraint("kind IN ('buyer', 'seller', 'ours', 'delivery')", name=op.f("ck_note_kind")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_note_order_id")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_note_shipment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_note")),
    )
    with op.batch_alter_table("note", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_note_order_id"), ["order_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_note_shipment_id"), ["shipment_id"], unique=False)

    op.create_table(
        "shipment_line",
        sa.Column("shipment_id", Id, nullable=False),
        sa.Column("order_line_id", Id, nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_shipment_line_quantity")),
        sa.ForeignKeyConstraint(["order_line_id"], ["order_line.id"], name=op.f("fk_shipment_line_order_line_id")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_shipment_line_shipment_id")),
        sa.PrimaryKeyConstraint("shipment_id", "order_line_id", name=op.f("pk_shipment_line")),
    )
    with op.batch_alter_table("shipment_line", schema=None) as batch_op:
        batch_op.create_index("ix_shipment_line_order_line_id", ["order_line_id"], unique=False)

    op.create_table(
        "stock",
        sa.Column("variant_id", Id, nullable=False),
        sa.Column("warehouse_id", Id, nullable=False),
        sa.Column("on_hand", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reserved", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("on_hand >= 0", name=op.f("ck_stock_on_hand")),
        sa.CheckConstraint("reserved >= 0 AND reserved <= on_hand", name=op.f("ck_stock_reserved")),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_stock_variant_id")),
        sa.ForeignKeyConstraint(["warehouse_id"], ["warehouse.id"], name=op.f("fk_stock_warehouse_id")),
        sa.PrimaryKeyConstraint("variant_id", "warehouse_id", name=op.f("pk_stock")),
    )
    op.create_table(
        "stock_move",
        sa.Column("id", Id, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("variant_id", Id, nullable=False),
        sa.Column("warehouse_id", Id, nullable=False),
        sa.Column("on_hand", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reserved", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("shipment_id", Id, nullable=True),
        sa.Column("who", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_stock_move_shipment_id")),
        sa.ForeignKeyConstraint(["variant_id"], ["variant.id"], name=op.f("fk_stock_move_variant_id")),
        sa.ForeignKeyConstraint(["warehouse_id"], ["warehouse.id"], name=op.f("fk_stock_move_warehouse_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stock_move")),
        sa.UniqueConstraint("key", name=op.f("uq_stock_move_key")),
    )
    with op.batch_alter_table("stock_move", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_stock_move_shipment_id"), ["shipment_id"], unique=False)
        batch_op.create_index("ix_stock_move_variant", ["variant_id", "warehouse_id", "id"], unique=False)

    op.create_table(
        "submission",
        sa.Column("shipment_id", Id, nullable=False),
        sa.Column("order_id", Id, nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'none'"), nullable=False),
        sa.Column("number", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("code", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('done', 'failed', 'none', 'tracking_sent', 'unknown')", name=op.f("ck_submission_state")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_submission_order_id")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_submission_shipment_id")),
        sa.PrimaryKeyConstraint("shipment_id", "order_id", name=op.f("pk_submission")),
    )
    with op.batch_alter_table("submission", schema=None) as batch_op:
        batch_op.create_index("ix_submission_order_id", ["order_id"], unique=False)

    op.create_table(
        "waybill",
        sa.Column("id", Id, nullable=False),
        sa.Column("shipment_id", Id, nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("carrier_id", Id, nullable=False),
        sa.Column("service_id", Id, nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'requesting'"), nullable=False),
        sa.Column("number", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("tracking", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("carrier_order", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("address_id", Id, nullable=True),
        sa.Column("address_print", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("lines", sa.Text(), server_default=sa.text("'[]'"), nullable=False),
        sa.Column("lines_print", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("cost_minor", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cost_currency", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("code", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("reason", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("field", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("obtained_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('abandoned', 'failed', 'obtained', 'requesting', 'unknown', 'void', 'voiding', 'waiting')",
            name=op.f("ck_waybill_state"),
        ),
        sa.ForeignKeyConstraint(["address_id"], ["address.id"], name=op.f("fk_waybill_address_id")),
        sa.ForeignKeyConstraint(["carrier_id"], ["carrier.id"], name=op.f("fk_waybill_carrier_id")),
        sa.ForeignKeyConstraint(["service_id"], ["service.id"], name=op.f("fk_waybill_service_id")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_waybill_shipment_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waybill")),
        sa.UniqueConstraint("carrier_id", "reference", name=op.f("uq_waybill_carrier_id_reference")),
        sa.UniqueConstraint("shipment_id", "generation", name=op.f("uq_waybill_shipment_id_generation")),
    )
    with op.batch_alter_table("waybill", schema=None) as batch_op:
        batch_op.create_index("ix_waybill_number", ["number"], unique=False)
        batch_op.create_index(
            "uq_waybill_live",
            ["shipment_id"],
            unique=True,
            sqlite_where=sa.text("state IN ('obtained', 'requesting', 'unknown', 'waiting')"),
            postgresql_where=sa.text("state IN ('obtained', 'requesting', 'unknown', 'waiting')"),
        )
        batch_op.create_index(
            "uq_waybill_number",
            ["carrier_id", "number"],
            unique=True,
            sqlite_where=sa.text("number <> ''"),
            postgresql_where=sa.text("number <> ''"),
        )

    op.create_table(
        "effect",
        sa.Column("id", Id, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("op", sa.Text(), nullable=False),
        sa.Column("shipment_id", Id, nullable=True),
        sa.Column("order_id", Id, nullable=True),
        sa.Column("waybill_id", Id, nullable=True),
        sa.Column("batch_id", Id, nullable=True),
        sa.Column("payload", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'queued'"), nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("unknown_since", sa.BigInteger(), nullable=True),
        sa.Column("looks", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("code", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("message", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "op IN ('check', 'print', 'push', 'request_waybill', 'void_waybill')", name=op.f("ck_effect_op")
        ),
        sa.CheckConstraint(
            "state IN ('done', 'failed', 'parked', 'queued', 'running', 'unknown', 'withdrawn')",
            name=op.f("ck_effect_state"),
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name=op.f("fk_effect_batch_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_effect_order_id")),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_effect_shipment_id")),
        sa.ForeignKeyConstraint(["waybill_id"], ["waybill.id"], name=op.f("fk_effect_waybill_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_effect")),
        sa.UniqueConstraint("key", name=op.f("uq_effect_key")),
    )
    with op.batch_alter_table("effect", schema=None) as batch_op:
        batch_op.create_index("ix_effect_batch", ["batch_id"], unique=False)
        batch_op.create_index(
            "ix_effect_due",
            ["account", "due_at", "id"],
            unique=False,
            sqlite_where=sa.text("state IN ('queued', 'running', 'unknown')"),
            postgresql_where=sa.text("state IN ('queued', 'running', 'unknown')"),
        )
        batch_op.create_index("ix_effect_shipment", ["shipment_id", "id"], unique=False)
        batch_op.create_index("ix_effect_state", ["state"], unique=False)
        batch_op.create_index(batch_op.f("ix_effect_waybill_id"), ["waybill_id"], unique=False)

    op.create_table(
        "label_file",
        sa.Column("waybill_id", Id, nullable=False),
        sa.Column("media", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("pages", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["waybill_id"], ["waybill.id"], name=op.f("fk_label_file_waybill_id")),
        sa.PrimaryKeyConstraint("waybill_id", name=op.f("pk_label_file")),
    )

    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRESQL:
        op.get_bind().exec_driver_sql(statement)
    op.execute("CREATE UNIQUE INDEX uq_category_place ON category (coalesce(parent_id, 0), name_key)")

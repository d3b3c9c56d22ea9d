"""Triggers: what a column constraint cannot say.

* An order line is never assigned beyond what was ordered less what was cancelled, over all shipments not closed,
  checked whenever a quantity is added or raised; a later lowering passes and is flagged by the pipeline.
* `stage_count` follows `shipment` in the same transaction. On PostgreSQL it takes delta rows (one per statement and
  place, folded by the worker), so that no counter row is fought over; on SQLite, with its one writer, one row a place.
* `stock_move` and `event` rows are immutable.
"""

from domain.enums import Stage

_ASSIGNED = f"""
    SELECT coalesce(sum(sl.quantity), 0) FROM shipment_line sl JOIN shipment s ON s.id = sl.shipment_id
    WHERE sl.order_line_id = NEW.order_line_id AND sl.shipment_id <> NEW.shipment_id AND s.stage < {int(Stage.CLOSED)}
"""
_ALLOWED = "SELECT quantity - cancelled FROM order_line WHERE id = NEW.order_line_id"

SQLITE = [
    *(
        f"""
        CREATE TRIGGER shipment_line_{name} BEFORE {when} ON shipment_line
        WHEN NEW.quantity + ({_ASSIGNED}) > ({_ALLOWED})
        BEGIN SELECT RAISE(ABORT, 'over_assigned'); END
        """
        for name, when in (("added", "INSERT"), ("raised", "UPDATE OF quantity"))
    ),
    """
    CREATE TRIGGER shipment_counted AFTER INSERT ON shipment BEGIN
        UPDATE stage_count SET n = n + 1 WHERE shop_id = NEW.shop_id AND stage = NEW.stage AND status = NEW.status;
        INSERT INTO stage_count (shop_id, stage, status, n) SELECT NEW.shop_id, NEW.stage, NEW.status, 1
        WHERE changes() = 0;
    END
    """,
    """
    CREATE TRIGGER shipment_recounted AFTER UPDATE OF stage, status ON shipment
    WHEN OLD.stage <> NEW.stage OR OLD.status <> NEW.status BEGIN
        UPDATE stage_count SET n = n - 1 WHERE shop_id = OLD.shop_id AND stage = OLD.stage AND status = OLD.status;
        UPDATE stage_count SET n = n + 1 WHERE shop_id = NEW.shop_id AND stage = NEW.stage AND status = NEW.status;
        INSERT INTO stage_count (shop_id, stage, status, n) SELECT NEW.shop_id, NEW.stage, NEW.status, 1
        WHERE changes() = 0;
    END
    """,
    *(
        f"""
        CREATE TRIGGER {table}_kept_{verb.lower()} BEFORE {verb} ON {table}
        BEGIN SELECT RAISE(ABORT, 'immutable'); END
        """
        for table in ("stock_move", "event")
        for verb in ("UPDATE", "DELETE")
    ),
]

POSTGRESQL = [
    f"""
    CREATE FUNCTION check_assigned() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE allowed bigint;
    BEGIN
        SELECT quantity - cancelled INTO allowed FROM order_line WHERE id = NEW.order_line_id FOR UPDATE;
        IF NEW.quantity + ({_ASSIGNED}) > allowed THEN
            RAISE EXCEPTION 'over_assigned' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER shipment_line_added BEFORE INSERT OR UPDATE OF quantity ON shipment_line
    FOR EACH ROW EXECUTE FUNCTION check_assigned()
    """,
    """
    CREATE FUNCTION count_stage() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' THEN
            INSERT INTO stage_count (shop_id, stage, status, n)
            SELECT shop_id, stage, status, count(*) FROM fresh GROUP BY 1, 2, 3;
        ELSE
            INSERT INTO stage_count (shop_id, stage, status, n)
            SELECT shop_id, stage, status, sum(d) FROM (
                SELECT shop_id, stage, status, 1 AS d FROM fresh
                UNION ALL SELECT shop_id, stage, status, -1 FROM stale
            ) AS delta GROUP BY 1, 2, 3 HAVING sum(d) <> 0;
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER shipment_counted AFTER INSERT ON shipment REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION count_stage()
    """,
    """
    CREATE TRIGGER shipment_recounted AFTER UPDATE ON shipment REFERENCING NEW TABLE AS fresh OLD TABLE AS stale
    FOR EACH STATEMENT EXECUTE FUNCTION count_stage()
    """,
    """
    CREATE FUNCTION keep_row() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'immutable' USING ERRCODE = 'check_violation'; END $$
    """,
    *(
        f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION keep_row()"
        for table in ("stock_move", "event")
    ),
]

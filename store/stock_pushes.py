"""What each shop is to be told of its stock: a note of every change, and per listing what was told last.

Triggers (their migration holds them) write a row of `stock_change` in the very transaction that moves a number, only ever
a new one, so that nobody waits for anybody: for a listing how many more or fewer pieces open shipments want of it (0: the
platform may have moved its number by itself), for a variant that its pieces on hand moved, for a shop that its settings
did. `take_note` folds them into `stock_push`, one row per listing. What a row says is counted and never guessed: folded
and unfolded pieces are added up in one statement, hence on one view of the database.

Telling a number is a repeatable effect: the newest one wins, so that no row per change is needed, and a lost answer costs
a look. `version` grows with each change: what changes while a number is on its way is told again.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct

from domain.clock import DAY, SECOND, Instant
from domain.enums import Stage
from domain.offering import Part
from store.database import Tx

BLOCK = 1_000
"""Notes (or listings of a shop) that are folded in one transaction."""
GAP_MS = 3 * SECOND
"""What was told is not told again sooner, so that goods that sell every second cost no call for each piece."""
LOOK_MS = DAY
"""A number that was not touched for so long is read again: somebody may have typed over it in the shop."""

_OPEN = f"""SELECT ol.listing_id, l.shop_id, CAST(sum(sl.quantity) AS bigint) AS pieces FROM shipment s
    JOIN shipment_line sl ON sl.shipment_id = s.id JOIN order_line ol ON ol.id = sl.order_line_id
    JOIN listing l ON l.id = ol.listing_id WHERE s.stage < {int(Stage.SHIPPED)} GROUP BY ol.listing_id, l.shop_id"""

REBUILD = (
    "DELETE FROM stock_change",
    "DELETE FROM stock_push",
    f"INSERT INTO stock_push (listing_id, shop_id, wanted) {_OPEN}",
    "INSERT INTO stock_change (shop_id) SELECT id FROM shop WHERE bound = 1",
)
"""Statements that count anew what is wanted and take nothing for granted that any shop was told: after a restore, say."""

MISCOUNTED = f"""
    SELECT 'listing ' || x.listing_id AS place, sum(x.kept) || ' against ' || sum(x.counted) AS found
    FROM (SELECT listing_id, wanted AS kept, 0 AS counted FROM stock_push
          UNION ALL SELECT listing_id, pieces, 0 FROM stock_change WHERE listing_id IS NOT NULL
          UNION ALL SELECT o.listing_id, 0, o.pieces FROM ({_OPEN}) o) x
    GROUP BY x.listing_id HAVING sum(x.kept) <> sum(x.counted)"""
"""The doctor's question: wanted pieces that are kept otherwise than the open shipments say."""


class Due(Struct, frozen=True):
    """A listing whose number is to be told (or looked at: `since` is None)."""

    listing_id: int
    platform_product_id: str
    platform_variant_id: str
    version: int
    since: Instant | None
    look: bool
    """The platform may have another number than it was told."""
    sent: int | None
    unsure_at: Instant | None
    """When a number left whose fate is not known (its process died, its answer was lost)."""
    tries: int
    heat: int


async def noted(tx: Tx) -> bool:
    """Are there changes that nobody has taken note of?"""
    return await tx.value("SELECT 1 FROM stock_change LIMIT 1") is not None


async def take_note(tx: Tx, telling: Collection[int]) -> int:
    """Fold a block of changes; returns how many notes were read. `telling`: the shops that are told their stock."""
    lock = " FOR UPDATE SKIP LOCKED" if tx.dialect == "postgresql" else ""
    rows = await tx.rows(
        f"SELECT id, listing_id, variant_id, shop_id, pieces FROM stock_change ORDER BY id LIMIT :n{lock}", n=BLOCK
    )
    if not rows:
        return 0
    await tx.do("DELETE FROM stock_change WHERE id IN :ids", ids=[r.id for r in rows])
    moved: dict[int, int] = defaultdict(int)
    sold: dict[int, int] = defaultdict(int)
    for r in rows:
        if r.listing_id is not None:
            moved[r.listing_id] += r.pieces
            sold[r.listing_id] += max(0, r.pieces)
    await _want(tx, moved)
    parts = await tx.rows("SELECT listing_id, variant_id FROM listing_item WHERE listing_id IN :ids", ids=sorted(moved))
    heat: dict[int, int] = defaultdict(int)
    for part in parts:
        heat[part.variant_id] += sold[part.listing_id]
    variants = {r.variant_id for r in rows if r.variant_id is not None} | set(heat)
    concerned = await tx.rows(
        """SELECT li.listing_id, l.shop_id, li.variant_id FROM listing_item li JOIN listing l ON l.id = li.listing_id
           JOIN variant v ON v.id = li.variant_id
           WHERE li.variant_id IN :variants AND l.shop_id IN :telling AND v.tracked = 1""",
        variants=sorted(variants),
        telling=sorted(telling),
    )
    marks: dict[int, dict[str, Any]] = {}
    for c in concerned:
        mark = marks.setdefault(c.listing_id, _mark(tx, c, look=c.listing_id in moved))
        mark["heat"] += heat.get(c.variant_id, 0)
    await _mark_all(tx, marks)
    for r in rows:
        if r.shop_id is not None:
            await _whole_shop(tx, r.shop_id, r.pieces, tells=r.shop_id in telling)
    return len(rows)


async def _want(tx: Tx, moved: Mapping[int, int]) -> None:
    wanted = {listing: pieces for listing, pieces in moved.items() if pieces}
    rows = await tx.rows("SELECT id, shop_id FROM listing WHERE id IN :ids ORDER BY id", ids=sorted(wanted))
    await tx.many(
        """INSERT INTO stock_push (listing_id, shop_id, wanted) VALUES (:l, :s, :n)
           ON CONFLICT (listing_id) DO UPDATE SET wanted = stock_push.wanted + excluded.wanted""",
        [{"l": r.id, "s": r.shop_id, "n": wanted[r.id]} for r in rows],
    )


async def _whole_shop(tx: Tx, shop_id: int, after: int, *, tells: bool) -> None:
    """A block of a shop's listings is told anew, what it refused before, too; a note says where the next block begins."""
    if not tells:
        await tx.do(
            "UPDATE stock_push SET since = NULL, due_at = NULL, code = '', message = '' WHERE shop_id = :s", s=shop_id
        )
        return
    rows = await tx.rows(
        """SELECT l.id AS listing_id, l.shop_id FROM listing l WHERE l.shop_id = :s AND l.id > :after
           AND EXISTS (SELECT 1 FROM listing_item li JOIN variant v ON v.id = li.variant_id
                       WHERE li.listing_id = l.id AND v.tracked = 1) ORDER BY l.id LIMIT :n""",
        s=shop_id,
        after=after,
        n=BLOCK,
    )
    await _mark_all(tx, {r.listing_id: _mark(tx, r, look=True, again=True) for r in rows})
    if len(rows) == BLOCK:
        await tx.do(
            "INSERT INTO stock_change (shop_id, pieces) VALUES (:s, :after)", s=shop_id, after=rows[-1].listing_id
        )
    await tx.do("DELETE FROM account_health WHERE account = :a", a=account_of(shop_id))


def _mark(tx: Tx, row: Any, *, look: bool, again: bool = False) -> dict[str, Any]:
    return {
        "listing": row.listing_id,
        "shop": row.shop_id,
        "look": int(look),
        "again": int(again),
        "heat": 0,
        "now": tx.now,
        "gap": tx.now - GAP_MS,
    }


async def _mark_all(tx: Tx, marks: Mapping[int, Mapping[str, Any]]) -> None:
    """Note that numbers are to be told. What was refused stays so until somebody changes something about it."""
    refused = "stock_push.due_at IS NULL AND stock_push.code <> '' AND :again = 0"
    await tx.many(
        f"""INSERT INTO stock_push (listing_id, shop_id, version, since, due_at, look, heat)
            VALUES (:listing, :shop, 1, :now, :now, :look, :heat)
            ON CONFLICT (listing_id) DO UPDATE SET version = stock_push.version + 1,
                heat = stock_push.heat + excluded.heat,
                look = CASE WHEN excluded.look = 1 THEN 1 ELSE stock_push.look END,
                since = CASE WHEN {refused} THEN NULL ELSE coalesce(stock_push.since, excluded.since) END,
                due_at = CASE WHEN {refused} THEN NULL
                    WHEN :again = 0 AND stock_push.since IS NOT NULL THEN stock_push.due_at
                    WHEN stock_push.sent_at > :gap THEN stock_push.sent_at + {GAP_MS} ELSE excluded.due_at END""",
        [marks[listing] for listing in sorted(marks)],
    )


# ------------------------------------------------------------------ telling


def account_of(shop_id: int) -> str:
    """Whose health it is when numbers cannot be told: not the shop's, whose orders are read all the same."""
    return f"stock:{shop_id}"


async def due_shops(tx: Tx) -> list[int]:
    """Shops with a number to be told now, that are not in their back-off."""
    rows = await tx.rows(
        """SELECT s.id FROM shop s WHERE s.bound = 1
           AND EXISTS (SELECT 1 FROM stock_push p WHERE p.shop_id = s.id AND p.due_at <= :now)
           AND NOT EXISTS (SELECT 1 FROM account_health h WHERE h.retry_at > :now
               AND (h.account = 'stock:' || s.id OR h.account = 'shop:' || s.id))""",
        now=tx.now,
    )
    return [r.id for r in rows]


async def due(tx: Tx, shop_id: int, limit: int) -> list[Due]:
    """The numbers of a shop to be told now, what sells and what waits longest first."""
    rows = await tx.rows(
        f"""SELECT p.*, l.platform_product_id, l.platform_variant_id FROM stock_push p JOIN listing l ON l.id = p.listing_id
            WHERE p.shop_id = :s AND p.due_at <= :now
            ORDER BY coalesce(p.since, :now) - {SECOND} * p.heat, p.listing_id LIMIT :n""",
        s=shop_id,
        now=tx.now,
        n=limit,
    )
    return [
        Due(
            r.listing_id,
            r.platform_product_id,
            r.platform_variant_id,
            r.version,
            r.since,
            bool(r.look) or r.since is None,
            r.sent,
            r.unsure_at,
            r.tries,
            r.heat,
        )
        for r in rows
    ]


async def parts_of(tx: Tx, listings: Sequence[int], keeping: Collection[int]) -> dict[int, list[Part]]:
    """The counted variants of listings. `keeping`: the shops whose orders take our stock.

    One statement, so that stock, open shipments and what is not folded yet are of one and the same moment.
    """
    rows = await tx.rows(
        """WITH fresh AS MATERIALIZED (SELECT listing_id, sum(pieces) AS n FROM stock_change
                WHERE listing_id IS NOT NULL GROUP BY listing_id)
           SELECT li.listing_id, li.quantity AS each,
               CAST(coalesce((SELECT sum(st.on_hand) FROM stock st WHERE st.variant_id = v.id), 0) AS bigint) AS on_hand,
               CAST(coalesce((SELECT sum(o.quantity * (coalesce(p.wanted, 0) + coalesce(f.n, 0)))
                   FROM listing_item o JOIN listing ol ON ol.id = o.listing_id AND ol.shop_id IN :keeping
                   LEFT JOIN stock_push p ON p.listing_id = o.listing_id LEFT JOIN fresh f ON f.listing_id = o.listing_id
                   WHERE o.variant_id = v.id), 0) AS bigint) AS wanted
           FROM listing_item li JOIN variant v ON v.id = li.variant_id AND v.tracked = 1
           WHERE li.listing_id IN :listings""",
        keeping=sorted(keeping),
        listings=list(listings),
    )
    parts: dict[int, list[Part]] = defaultdict(list)
    for r in rows:
        parts[r.listing_id].append(Part(r.on_hand, r.wanted, r.each))
    return parts


async def begin(tx: Tx, listings: Sequence[int]) -> None:
    """Just before numbers leave: should this process die, whoever comes next knows that they may have arrived."""
    await tx.do(
        "UPDATE stock_push SET unsure_at = coalesce(unsure_at, :now), tries = tries + 1 WHERE listing_id IN :ids",
        now=tx.now,
        ids=list(listings),
    )


async def told(tx: Tx, told_: Sequence[tuple[Due, int]], settle_ms: int) -> None:
    """The platform has these numbers now.

    One that followed a number of unknown fate is looked at once more when nothing of that one can still arrive.
    """
    rows = []
    for d, pieces in told_:
        again = None if d.unsure_at is None or d.unsure_at + settle_ms <= tx.now else d.unsure_at
        rows.append(
            {
                "listing": d.listing_id,
                "pieces": pieces,
                "version": d.version,
                "unsure": again,
                "next": tx.now + LOOK_MS if again is None else again + settle_ms,
                "now": tx.now,
                "gap": tx.now + GAP_MS,
            }
        )
    await tx.many(
        """UPDATE stock_push SET sent = :pieces, sent_at = :now, tries = 0, heat = heat / 2, code = '', message = '',
               unsure_at = :unsure, look = CASE WHEN version = :version THEN 0 ELSE look END,
               since = CASE WHEN version = :version THEN NULL ELSE since END,
               due_at = CASE WHEN version = :version THEN CAST(:next AS bigint) ELSE CAST(:gap AS bigint) END
           WHERE listing_id = :listing""",
        rows,
    )


async def leave(tx: Tx, dues: Sequence[Due], *, look_later: bool) -> None:
    """Nothing is to be told of these: what is due is there already, or (not `look_later`) nothing of it is counted."""
    await tx.many(
        """UPDATE stock_push SET since = NULL, look = 0, heat = heat / 2, code = '', message = '',
               due_at = CAST(:next AS bigint) WHERE listing_id = :listing AND version = :version""",
        [
            {"listing": d.listing_id, "version": d.version, "next": tx.now + LOOK_MS if look_later else None}
            for d in dues
        ],
    )


async def refused(tx: Tx, rows: Sequence[tuple[Due, str, str]]) -> None:
    """Parked for a person, with code and sentence: no number is told again before something about it was changed."""
    await tx.many(
        """UPDATE stock_push SET since = NULL, due_at = NULL, unsure_at = NULL, tries = 0, code = :code,
               message = :message WHERE listing_id = :listing""",
        [{"listing": d.listing_id, "code": code, "message": message[:500]} for d, code, message in rows],
    )


async def put_off(tx: Tx, rows: Sequence[tuple[Due, Instant, str, str, bool]]) -> None:
    """To be told later: (number, when, code, sentence, whether this try may have arrived all the same)."""
    await tx.many(
        """UPDATE stock_push SET since = coalesce(since, :now), due_at = CAST(:at AS bigint), code = :code,
               message = :message, look = 1, unsure_at = CAST(:unsure AS bigint) WHERE listing_id = :listing""",
        [
            {
                "listing": d.listing_id,
                "at": at,
                "code": code,
                "message": message[:500],
                "unsure": tx.now if unsure else d.unsure_at,
                "now": tx.now,
            }
            for d, at, code, message, unsure in rows
        ],
    )


async def tell_again(tx: Tx, shop_id: int) -> None:
    """Tell a shop all its numbers anew, what it refused before, too."""
    await tx.do("INSERT INTO stock_change (shop_id) VALUES (:s)", s=shop_id)


async def rebuild(tx: Tx) -> None:
    """Count anew what is wanted, and take nothing for granted that any shop was told (see `REBUILD`)."""
    for statement in REBUILD:
        await tx.do(statement)


# ------------------------------------------------------------------ looking


async def listing(tx: Tx, sku: str = "", shop_id: int = 0) -> Sequence[Any]:
    """What each shop was told of its listings, what was refused and what waits longest first."""
    return await tx.rows(
        """SELECT sh.name AS shop, l.sku, l.name, p.sent, p.sent_at, p.since, p.due_at, p.unsure_at, p.tries, p.code,
               p.message
           FROM stock_push p JOIN listing l ON l.id = p.listing_id JOIN shop sh ON sh.id = p.shop_id
           WHERE (p.sent IS NOT NULL OR p.since IS NOT NULL OR p.code <> '') AND (:any = 1 OR l.sku = :sku)
             AND (:shop = 0 OR p.shop_id = :shop2)
           ORDER BY CASE WHEN p.due_at IS NULL AND p.code <> '' THEN 0 WHEN p.since IS NOT NULL THEN 1 ELSE 2 END,
               p.since, sh.name, l.sku, l.id""",
        any=int(not sku),
        sku=sku,
        shop=shop_id,
        shop2=shop_id,
    )

"""A spreadsheet taken over by hand: its path, what its rows would become, and then the import, on keys alone."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.cells import fit, wrap
from console.keys import Key
from console.places.offers import Flows
from console.places.rules import left_out_words
from console.screens.dialogs import Read
from console.screens.form import Form, FormField
from console.widgets.lines import Styled
from console.wording import count, reason_word, reason_words
from domain.money import format_minor
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store.overview import ShopState

if TYPE_CHECKING:
    from pipeline.sheets import Preview, Row

PLATFORM = "spreadsheet"
"""The platform whose shops are folders of spreadsheets."""
SHOWN = 500
"""Orders of a preview that are named one by one."""
WORDS = {
    "failed": _("failed"),
    "left_out": _("left out"),
    "new": _("new"),
    "changed": _("changed"),
    "same": _("as it was"),
}
"""What becomes of an order of a sheet; what needs a hand first."""
TONES = {"failed": "ask.bad", "left_out": "ask.dim", "new": "ask", "changed": "ask", "same": "ask.dim"}


class SheetImport(Flows):
    """The flow of one file. Nothing is kept before a person has seen the preview and chosen to take it over."""

    async def open(self, shop: ShopState, key: Key) -> None:
        """Ask for files until one can be read, show what it becomes, and do what is chosen."""
        title = _("A spreadsheet for {name}").format(name=safe(shop.name, 40))
        typed, message = "", ""
        opened: Key | None = key
        while True:
            field = FormField("file", _("File"), typed, help=_("an .xlsx or a .csv, with its folder"))
            form = Form(title, [field], message=message, opened_by=opened)
            answer, opened = await self.app.push_screen_wait(form), None
            if answer is None or not answer["file"].strip():
                self.desk.say(_("Nothing was taken over."))
                return
            typed = answer["file"].strip()
            file = _path(typed)
            reading = _("Reading {name} ...").format(name=safe(file.name, 60))
            seen = await self.tried(reading, partial(_preview, shop_id=shop.id, file=file, who=self.who))
            if seen is None:
                self.desk.say(_("Nothing was taken over."))
                return
            if not isinstance(seen, Refused):
                break
            message = seen.message
        await self._choose(shop, file, seen)

    async def _choose(self, shop: ShopState, file: Path, seen: "Preview") -> None:
        while True:
            lines, values = self._lines(file, seen)
            title = _("{file} as orders of {name}").format(file=safe(file.name, 60), name=safe(shop.name, 40))
            keys = _("arrows and Enter choose, PgDn reads on, Esc leaves everything as it is")
            chosen = await self.app.push_screen_wait(Read(title, lines, values=values, keys=keys))
            if chosen == "failures":
                await self._failures(file, seen)
                continue
            if chosen is None:
                self.desk.say(_("Nothing was taken over."))
                return
            break
        reading = _("Taking over {name} ...").format(name=safe(file.name, 60))
        taken = await self.asked(
            reading,
            partial(
                _import,
                shop_id=shop.id,
                file=file,
                who=self.who,
                columns=seen.columns if chosen == "take_and_save" else "",
            ),
        )
        if taken is None or isinstance(taken, Refused):
            await self.tell(taken, "")
            return
        text = _("{new} new, {changed} changed, {same} as they were, {left_out} left out, {failed} failed.").format(
            **{outcome: count(taken.preview.count(outcome)) for outcome in WORDS}
        )
        if taken.code == "asked_worker":
            text += "  " + _("The worker takes them over now.")
        elif taken.code:
            await self.tell(
                Refused(
                    taken.code,
                    _("It lies in the folder, but was not read: {reason}").format(reason=reason_word(taken.code)),
                ),
                "",
            )
            return
        await self.tell(taken, text)

    async def _failures(self, file: Path, seen: "Preview") -> None:
        """Write the failed rows with their reasons beside the file, or where the person says."""
        value, message = str(file.with_name(f"{file.stem}-failed.csv")), ""
        while True:
            field = FormField("file", _("File"), value, help=_("its ending says which kind: .csv or .xlsx"))
            form = Form(_("The failure list"), [field], message=message)
            answer = await self.app.push_screen_wait(form)
            if answer is None or not answer["file"].strip():
                return
            value = answer["file"].strip()
            refused = await self.app.write(partial(_write_failures, file=file, seen=seen, target=_path(value)))
            if refused is None:
                self.desk.say(_("The failure list is {file}.").format(file=safe(value, 200)))
                return
            message = refused.message

    def _lines(self, file: Path, seen: "Preview") -> tuple[list[Styled], list[str]]:
        """The preview: what can be chosen, the figures, then order by order."""
        width = max(20, self.app.size.width - 8)
        lines: list[Styled] = []
        values: list[str] = []

        def offer(text: str, value: str) -> None:
            lines.append(((f"  > {text}", "ask"),))
            values.append(value)

        def tell(text: str, tone: str = "ask") -> None:
            lines.extend(((f"  {part}", tone),) for part in wrap(text, width))

        usable = len(seen.rows) - seen.count("failed")
        if usable:
            offer(_("Take over {n} orders").format(n=count(usable)), "take")
            if not seen.saved:
                offer(
                    _("Take over {n} orders, and read the next sheets by the same columns").format(n=count(usable)),
                    "take_and_save",
                )
        if seen.failures:
            offer(_("Write the failure list"), "failures")
        lines.append(())
        tell("  ".join(f"{word} {count(seen.count(outcome))}" for outcome, word in WORDS.items()), "ask.title")
        tell(safe(seen.source, 200), "ask.dim")
        tell(_("columns: {columns}").format(columns=safe(seen.columns, 2000)), "ask.dim")
        if not seen.saved:
            tell(_("The columns are a guess from the header; look at the orders before you take them over."), "ask.bad")
        lines.append(())
        ordered = sorted(seen.rows, key=lambda row: list(WORDS).index(row.outcome))
        for row in ordered[:SHOWN]:
            for n, part in enumerate(wrap(_told(row), width - 11)):
                head = f"  {fit(WORDS[row.outcome], 9)}  " if not n else " " * 13
                lines.append(((head + part, TONES[row.outcome]),))
        if len(ordered) > SHOWN:
            tell(_("and {n} more").format(n=count(len(ordered) - SHOWN)), "ask.dim")
        return lines, values


def _path(typed: str) -> Path:
    """A path as a shell would read it; `~` of nobody stays as it is."""
    return Path(os.path.expanduser(typed))


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _told(row: "Row") -> str:
    """An order of a sheet in one sentence; of one that cannot be taken over the reason."""
    rows = _("row {rows}").format(rows=", ".join(map(str, row.rows[:6])) + (" …" if len(row.rows) > 6 else ""))
    pieces = [safe(row.number, 40), rows]
    if row.order is not None:
        pieces += [
            safe(row.order.address.name, 40),
            safe(row.order.address.country, 4),
            _("{n} pieces").format(n=sum(int(line.quantity) for line in row.order.lines)),
            f"{format_minor(row.order.total_minor, row.order.currency)} {safe(row.order.currency, 4)}",
        ]
    if row.outcome == "left_out":
        pieces.append(left_out_words(row.code))
    elif row.code:
        pieces.append(reason_words(row.code, row.reason))
    return "  ".join(piece for piece in pieces if piece)


# ------------------------------------------------------------------ in the writing thread


async def _preview(p: Any, *, shop_id: int, file: Path, who: str) -> Any:
    from pipeline import sheets

    return await sheets.preview(p, shop_id, file, who)


async def _import(p: Any, *, shop_id: int, file: Path, who: str, columns: str) -> Any:
    """Keep the columns, where any are to be kept, then take the sheet over: a refusal always means that nothing was."""
    from pipeline import sheets

    if columns and (refused := await sheets.save_columns(p, shop_id, columns, who)):
        return refused
    return await sheets.import_sheet(p, shop_id, file, who)


async def _write_failures(_p: Any, *, file: Path, seen: "Preview", target: Path) -> Any:
    from pipeline import sheets

    if _same(file, target):
        return Refused("same_file", _("That is the sheet itself."))
    return sheets.write_failures(seen, target)

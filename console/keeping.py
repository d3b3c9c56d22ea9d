"""The commands that keep the books: backup, restore, export, import, doctor, upgrade."""

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import structs

from console.output import complain, emit, refuse, say, table
from domain.clock import iso, now
from domain.results import Refused
from domain.text import safe
from domain.words import _
from store.place import Place, find

Options = argparse.Namespace
PG_DUMP = _(
    "Back PostgreSQL up with pg_dump; shipdeck copies SQLite files only. `export` writes everything in open formats."
)


def add_parsers(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    """What these commands take."""
    doctor = add("doctor", _("check the books, the files and the machine"))
    doctor.add_argument("--bundle", metavar="FILE", help=_("make a file for support, without personal data"))
    doctor.add_argument("--salvage", metavar="NEWFILE", help=_("save what can be read of a damaged database"))
    backup = add("backup", _("copy the database while it is in use, and check the copy"))
    backup.add_argument("--to", metavar="FOLDER", help=_("only there, this once"))
    backup.add_argument("--second", metavar="FOLDER", help=_("from now on also there, off this machine; - = nowhere"))
    backup.add_argument("--keep", type=int, metavar="N", help=_("from now on keep the N newest, and one a week"))
    backup.add_argument("--portable", metavar="FILE", help=_("one sealed file with database, key file and settings"))
    restore = add("restore", _("bring a backup back; what may have been done since is looked up before it is done"))
    restore.add_argument("file", nargs="?", default="", metavar="FILE")
    restore.add_argument("--replace", action="store_true", help=_("keep the database that is there, and replace it"))
    restore.add_argument("--here", action="store_true", help=_("the database was brought back by other means"))
    for sub in (backup, restore):
        sub.add_argument("--passphrase-env", metavar="VAR", help=_("the passphrase from a variable"))
        sub.add_argument("--passphrase-stdin", action="store_true", help=_("the passphrase from standard input"))
    export = add("export", _("write everything in open formats"))
    export.add_argument("folder", metavar="FOLDER")
    export.add_argument("--with-key", action="store_true", help=_("with the secrets and the key file that opens them"))
    importer = add("import", _("read an export into an empty database"))
    importer.add_argument("folder", metavar="FOLDER")
    for sub in (restore, importer):
        sub.add_argument(
            "--old-machine-retired", action="store_true", help=_("nobody works on the old database any more")
        )
        sub.add_argument(
            "--nothing-since", action="store_true", help=_("nobody has worked on it since the copy was made")
        )
    upgrade = add("upgrade", _("bring the database to this program's schema, with a backup first"))
    upgrade.add_argument("--rotate-key", action="store_true", help=_("seal every secret under a new key"))


async def handle(options: Options) -> int:
    """Run the command of `options`; returns the exit code."""
    return await {
        "backup": _backup,
        "restore": _restore,
        "export": _export,
        "import": _import,
        "upgrade": _upgrade,
        "doctor": _doctor,
    }[options.command](options)


# ------------------------------------------------------------------ backup


async def _backup(options: Options) -> int:
    from store.backup import backup_file
    from store.schema import HEAD, revision_of

    place = find(options.db)
    if place.file is None:
        complain(PG_DUMP)
        return 1
    if not place.file.exists():
        complain(_("There is no database at {file} yet.").format(file=place.file))
        return 1
    if options.keep is not None and not 1 <= options.keep <= 1000:
        complain(_("--keep takes a number from 1 to 1000."))
        return 2
    if options.portable:
        return await _portable(options, place)
    folder = Path(options.to) if options.to else None
    if folder is not None or revision_of(place) != HEAD:
        made = await asyncio.to_thread(backup_file, place, now, "", folder)
        return _backed_up(options, place, {"backup": str(made), "bytes": made.stat().st_size})
    return await _backup_and_copy(options, place)


async def _backup_and_copy(options: Options, place: Place) -> int:
    from pipeline.backing_up import back_up
    from pipeline.base import Pipeline
    from pipeline.persons import refusal
    from store.remembered import remember

    p = await Pipeline.open(place)
    try:
        if (options.keep, options.second) != (None, None) and (refused := await refusal(p, options.who)):
            return refuse(refused, as_json=options.json)
        async with p.store.transaction() as tx:
            if options.keep is not None:
                await remember(tx, keep=options.keep)
            if options.second is not None:
                second = "" if options.second == "-" else str(_named(options.second)[0])
                await remember(tx, second=second, second_at="", failed="")
        made = await back_up(p)
    finally:
        await p.aclose()
    if made.trouble:
        complain(_("backup_copy_failed: no copy in the second place: {why}").format(why=made.trouble))
    return _backed_up(
        options,
        place,
        {
            "backup": str(made.file),
            "bytes": made.file.stat().st_size,
            "second": str(made.second or ""),
            "removed": made.removed,
        },
    )


def _backed_up(options: Options, place: Place, answer: dict[str, Any]) -> int:
    if options.json:
        emit(answer)
        return 0
    say(answer["backup"])
    if answer.get("second"):
        say(answer["second"])
    say(_("The key file {file} is not in it; keep a copy of that apart.").format(file=place.key_file))
    return 0


async def _portable(options: Options, place: Place) -> int:
    from console.config import config_file
    from store.backup import backup_file
    from store.files import scratch
    from store.portable import SHORTEST, pack

    target, there = _named(options.portable)
    if there:
        return refuse(Refused("file_exists", _("{file} is there already.").format(file=target)), as_json=options.json)
    passphrase = _passphrase(options, twice=True)
    if passphrase is None:
        return 2
    if len(passphrase) < SHORTEST:
        text = _("A passphrase has {n} characters at least.").format(n=SHORTEST)
        return refuse(Refused("short_passphrase", text), as_json=options.json)
    assert place.file is not None
    with scratch(place.file.parent, "portable") as folder:
        copy = await asyncio.to_thread(backup_file, place, now, "", folder)
        files: dict[str, Path | bytes] = {"database.sqlite": copy}
        if place.key_file.is_file():
            files["key"] = place.key_file.read_bytes()
        if config_file().is_file():
            files["config.toml"] = config_file().read_bytes()
        made = await asyncio.to_thread(pack, target, files, passphrase)
    answer = {"backup": str(made), "bytes": made.stat().st_size, "holds": sorted(files)}
    if options.json:
        emit(answer)
    else:
        say(str(made))
        say(_("It holds the key file too. Nobody opens it without the passphrase: keep that in another place."))
    return 0


def _named(text: str) -> tuple[Path, bool]:
    """A file as the person named it, and whether it is there."""
    path = Path(text).absolute()
    return path, path.exists()


def _passphrase(options: Options, *, twice: bool) -> str | None:
    """From a variable, standard input or the terminal, never from an argument; None after saying what is missing."""
    if options.passphrase_env:
        if options.passphrase_env not in os.environ:
            complain(_("There is no variable {name}.").format(name=options.passphrase_env))
            return None
        return os.environ[options.passphrase_env]
    if options.passphrase_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        complain(_("Give the passphrase by --passphrase-env VAR or --passphrase-stdin."))
        return None
    given = getpass.getpass(_("Passphrase: "))
    if twice and getpass.getpass(_("Once more: ")) != given:
        complain(_("They are not the same."))
        return None
    return given


# ------------------------------------------------------------------ restore


def _retired(options: Options) -> bool:
    """Is the old machine out of work? Two machines with the same books would ship everything twice."""
    if options.old_machine_retired:
        return True
    if sys.stdin.isatty() and sys.stdout.isatty():
        question = _("Is the old machine retired, so that nobody works on these books there any more? [y/N] ")
        return input(question).strip().lower() in {"y", "yes", "是", "t", "tak"}
    return False


def _not_retired() -> int:
    complain(_("Stop the old machine for good first, then say so: --old-machine-retired."))
    return 2


async def _restore(options: Options) -> int:
    from store.files import scratch
    from store.restore import restart, restore

    place = find(options.db)
    if bool(options.file) == options.here:
        complain(_("Name the backup, or say --here for a database that was brought back by other means."))
        return 2
    if options.here:
        from pipeline.base import Pipeline
        from pipeline.persons import refusal

        if not _retired(options):
            return _not_retired()
        p = await Pipeline.open(place)
        try:
            if refused := await refusal(p, options.who):
                return refuse(refused, as_json=options.json)
            anew = await restart(p.store, nothing_since=options.nothing_since)
        finally:
            await p.aclose()
        return _restored(options, place, anew, {})
    if place.file is None:
        complain(_("Bring PostgreSQL back with pg_restore, then: shipdeck restore --here."))
        return 1
    source, there = _named(options.file)
    if not there:
        complain(_("{file} is not there.").format(file=source))
        return 1
    if not _retired(options):
        return _not_retired()
    made: Any
    with scratch(place.file.parent, "unpacked") as folder:
        unpacked = await _unpacked(options, source, folder / "in")
        if isinstance(unpacked, int):
            return unpacked
        if refused := _key_in_the_way(place, unpacked, options.replace):
            return refuse(refused, as_json=options.json)
        database = unpacked / "database.sqlite" if unpacked else source
        made = await restore(place, database, now, replace=options.replace, nothing_since=options.nothing_since)
        if isinstance(made, Refused):
            return refuse(made, as_json=options.json)
        more = {"kept": str(made.kept or ""), **_put_beside(place, unpacked)}
    return _restored(options, place, made.anew, more)


async def _unpacked(options: Options, source: Path, folder: Path) -> Path | int | None:
    """Where a portable backup was opened; None for a plain one; an exit code for one that does not open."""
    from store.portable import is_portable, unpack

    if not is_portable(source):
        return None
    passphrase = _passphrase(options, twice=False)
    if passphrase is None:
        return 2
    await asyncio.to_thread(unpack, source, folder, passphrase)
    return folder


def _key_in_the_way(place: Place, unpacked: Path | None, replace: bool) -> Refused | None:
    key = unpacked / "key" if unpacked else None
    if key is None or not key.is_file() or not place.key_file.exists() or replace:
        return None
    if place.key_file.read_bytes() == key.read_bytes():
        return None
    text = _("{file} is another key file than the backup's: name a new one by SHIPDECK_KEY_FILE, or say --replace.")
    return Refused("other_key", text.format(file=place.key_file))


def _put_beside(place: Place, unpacked: Path | None) -> dict[str, str]:
    """Key file and settings of the terminal out of a portable backup; what is there is kept, never overwritten."""
    from console.config import config_file
    from store.files import put_file
    from store.rotation import put_key

    done: dict[str, str] = {}
    if unpacked is None:
        return done
    if (key := unpacked / "key").is_file():
        put_key(place.key_file, key.read_bytes(), now())
        done["key_file"] = str(place.key_file)
    if (config := unpacked / "config.toml").is_file() and not config_file().exists():
        put_file(config_file(), config.read_bytes())
        done["config"] = str(config_file())
    return done


def _restored(options: Options, place: Place, anew: Any, more: dict[str, str]) -> int:
    answer = {"database": str(place.file or place.dialect), **more, **structs.asdict(anew)}
    answer["backup_at"] = iso(answer.pop("moment") or None)
    if options.json:
        emit(answer)
        return 0
    say(_("Restored; the books are those of {at}.").format(at=answer["backup_at"] or "?"))
    if more.get("kept"):
        say(_("What was there before is kept: {file}").format(file=more["kept"]))
    say(
        _("{effects} effects are looked up before anything is sent, {shops} shops are read anew.").format(
            effects=anew.effects, shops=anew.shops
        )
    )
    if anew.batches or anew.prints:
        text = _("{batches} batches were ended; {prints} print jobs wait for you to look at the paper.")
        say(text.format(batches=anew.batches, prints=anew.prints))
    if anew.numbers:
        text = _("{n} free numbers were set aside: import those again that are certainly unused (carrier numbers).")
        say(text.format(n=anew.numbers))
    if not options.nothing_since:
        say(_("Count the stock: what was received since is not known."))
    return 0


# ------------------------------------------------------------------ export, import


async def _export(options: Options) -> int:
    from console.handlers import opened
    from store.export import export

    async with opened(options) as p:
        made = await export(p.store, Path(options.folder), _version(), with_key=options.with_key)
    if isinstance(made, Refused):
        return refuse(made, as_json=options.json)
    answer = {"folder": options.folder, "rows": made.rows, "labels": made.labels, "with_key": made.with_key}
    if options.json:
        emit(answer)
    else:
        say(_("{rows} rows and {labels} labels; they hold personal data.").format(rows=made.rows, labels=made.labels))
        if not made.with_key:
            say(_("Secrets were left out (--with-key takes them along)."))
    return 0


async def _import(options: Options) -> int:
    from console.handlers import opened
    from store.export import import_

    place = find(options.db)
    if not _retired(options):
        return _not_retired()
    async with opened(options, create=True) as p:
        made = await import_(p.store, Path(options.folder), nothing_since=options.nothing_since)
    if isinstance(made, Refused):
        return refuse(made, as_json=options.json)
    return _restored(options, place, made.anew, {"rows": str(made.read.rows)})


def _version() -> str:
    from importlib.metadata import version

    return version("shipdeck")


# ------------------------------------------------------------------ doctor, upgrade


async def _doctor(options: Options) -> int:
    from pipeline.checkup import examine_place

    place = find(options.db)
    if options.salvage:
        return await _salvage(options, place)
    if options.bundle:
        from pipeline.support import bundle

        made = await bundle(place, Path(options.bundle))
        emit({"bundle": str(made)}) if options.json else say(str(made))
        return 0
    found = await examine_place(place)
    if options.json:
        emit(found)
    else:
        rows = [c for c in found["checks"] if c["level"] != "ok"]
        table(rows, ("level", "code", "check", "where", "found", "todo"))
        say(_("Healthy.") if not found["findings"] else _("{n} defects.").format(n=len(found["findings"])))
    return 1 if found["findings"] else 0


async def _salvage(options: Options, place: Place) -> int:
    from store.salvage import salvage

    if place.file is None:
        complain(_("Only an SQLite file can be salvaged."))
        return 1
    made = await salvage(place, Path(options.salvage), now)
    if isinstance(made, Refused):
        return refuse(made, as_json=options.json)
    rows = [structs.asdict(row) for row in made.tables]
    if options.json:
        emit({"file": str(made.file), "tables": rows})
    else:
        table([r for r in rows if r["kept"] or r["lost"]], ("table", "kept", "lost"))
        text = _("{file} holds what could be read. Take it into use with: shipdeck restore {file} --replace")
        say(text.format(file=safe(made.file)))
    return 1 if any(r["lost"] for r in rows) else 0


async def _upgrade(options: Options) -> int:
    from console.handlers import opened

    async with opened(options, create=not options.rotate_key) as p:
        if options.rotate_key:
            from pipeline.persons import refusal
            from store.rotation import rotate

            made = await refusal(p, options.who) or await rotate(p.store)
            if isinstance(made, Refused):
                return refuse(made, as_json=options.json)
            answer = {"secrets": made.secrets, "key_file": str(made.key_file), "old_key_file": str(made.old)}
            if options.json:
                emit(answer)
                return 0
            say(_("{n} secrets are sealed under the new key {file}.").format(n=made.secrets, file=made.key_file))
            say(
                _("Keep {file}: backups made before open with it. Copy the new key to every other host.").format(
                    file=made.old
                )
            )
            return 0
        if options.json:
            emit({"schema": "ok"})
        else:
            say(_("The database has this program's schema."))
    return 0

"""`shipdeck connector list|new|test`: what is installed, a new one from the template, one held against its twin."""

import argparse
import keyword
import re
from importlib.resources import files
from pathlib import Path

from console.output import complain, emit, refuse, say, table
from domain.results import Refused
from domain.words import _

Options = argparse.Namespace

ELSEWHERE = {
    "shop.py": "shipdeck_{name}/connector.py",
    "shop_twin.py": "shipdeck_{name}/twin.py",
    "shop_kit.py": "shipdeck_{name}/kit.py",
    "order.json": "tests/samples/{name}/order.json",
    "shop_test.py": "tests/test_{name}.py",
    "suite_test.py": "tests/test_conformance.py",
    "pyproject.txt": "pyproject.toml",
}
"""Template → the file it becomes in a package of its own."""

OURS = {
    "shop.py": "connectors/shops/{name}.py",
    "shop_twin.py": "connectors/simulated/{name}.py",
    "shop_kit.py": "connectors/simulated/{name}_kit.py",
    "order.json": "tests/samples/{name}/order.json",
    "shop_test.py": "tests/connectors/test_{name}.py",
}
"""The same within shipdeck, whose tests run the suite on every connector of ours anyhow."""

ENTRIES = """[project.entry-points."shipdeck.connectors"]
"shop.{name}" = "{connector}:{kind}"

[project.entry-points."shipdeck.kits"]
"shop.{name}" = "{kit}:KIT"
"""


async def handle(options: Options) -> int:
    """Run one of the three."""
    match options.action:
        case "new":
            return _new(options)
        case "test":
            return await _test(options)
    from connectors import registry

    rows = registry.installed()
    emit(rows) if options.json else table(rows, ("kind", "name", "package", "version", "problem"))
    return 0


# ------------------------------------------------------------------ a new one


def written(name: str, folder: Path) -> list[Path] | Refused:
    """Write a connector of that name, its twin, kit, sample and tests into a folder; nothing there is written over."""
    from connectors import registry

    if not re.fullmatch(r"[a-z][a-z0-9_]{1,29}", name) or keyword.iskeyword(name):
        text = _("A connector's name has 2 to 30 small letters, digits and underscores, and begins with a letter.")
        return Refused("bad_name", text, "name")
    if name in registry.names("shop"):
        return Refused("name_taken", _("There is a connector of that name already."), "name")
    home = _is_ours(folder)
    targets = {source: folder / path.format(name=name) for source, path in (OURS if home else ELSEWHERE).items()}
    begin = folder / f"shipdeck_{name}" / "__init__.py"
    wanted = [*targets.values(), *([] if home else [begin])]
    if there := [path for path in wanted if path.exists()]:
        return Refused("file_exists", _("{file} is there already; nothing was written.").format(file=there[0]))
    template = files("connectors.template")
    for source, path in targets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (template / source).read_text(encoding="utf-8")
        path.write_text(_renamed(text, name, home), encoding="utf-8")
    if not home:
        begin.write_text(f'"""{_kind(name)} for shipdeck: the connector, its simulated twin and its kit."""\n')
    return wanted


def _is_ours(folder: Path) -> bool:
    """Is this shipdeck's own tree?"""
    return all((folder / one).is_file() for one in ("connectors/contract.py", "console/cli.py"))


def _kind(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def modules(name: str, home: bool) -> tuple[str, str, str]:
    """Where the connector, its twin and its kit are imported from."""
    if home:
        return f"connectors.shops.{name}", f"connectors.simulated.{name}", f"connectors.simulated.{name}_kit"
    return f"shipdeck_{name}.connector", f"shipdeck_{name}.twin", f"shipdeck_{name}.kit"


def _renamed(text: str, name: str, home: bool) -> str:
    connector, twin, kit = modules(name, home)
    for old, new in (
        ("connectors.template.shop_twin", twin),
        ("connectors.template.shop_kit", kit),
        ("connectors.template.shop", connector),
        *([('Path(__file__).parent / "samples"', 'Path(__file__).parent.parent / "samples"')] if home else []),
        ("Newshop", _kind(name)),
        ("newshop", name),
    ):
        text = text.replace(old, new)
    return text


def _new(options: Options) -> int:
    folder = Path(options.folder)
    made = written(options.name, folder)
    if isinstance(made, Refused):
        return refuse(made, as_json=options.json)
    home = _is_ours(folder)
    connector, _twin, kit = modules(options.name, home)
    entries = ENTRIES.format(name=options.name, kind=_kind(options.name), connector=connector, kit=kit)
    if options.json:
        emit({"files": [str(path) for path in made], "entry_points": entries})
        return 0
    for path in made:
        say(str(path))
    if home:
        say(_("These lines belong into pyproject.toml:"))
        say(entries.rstrip())
    say(_("It works as it is. Install it (pip install -e .), then: {command}").format(command=_after(options.name)))
    return 0


def _after(name: str) -> str:
    return f"shipdeck connector test shop.{name}"


# ------------------------------------------------------------------ the suite


async def _test(options: Options) -> int:
    from connectors import registry
    from connectors.conformance import CASES, NoKit, Suite

    wanted = [case for case in CASES if options.case in case.name]
    if not wanted:
        return refuse(
            Refused("unknown_case", _("No case has {text} in its name.").format(text=options.case)),
            as_json=options.json,
        )
    try:
        suite = Suite(options.name)
    except (NoKit, registry.NoConnector) as error:
        code = "no_kit" if isinstance(error, NoKit) else "no_connector"
        return refuse(Refused(code, str(error)), as_json=options.json)
    with suite:
        results = [await suite.run(case) for case in wanted]
    counts = {word: sum(r.outcome == word for r in results) for word in ("passed", "skipped", "failed")}
    if options.json:
        cases = [{"case": r.case, "outcome": r.outcome, "reason": r.reason} for r in results]
        emit({"connector": options.name, **counts, "cases": cases})
    else:
        rows = [{"outcome": r.outcome, "case": r.case, "reason": r.reason} for r in results if r.outcome != "passed"]
        if rows:
            table(rows, ("outcome", "case", "reason"))
        say(_("{name}: {passed} passed, {skipped} skipped, {failed} failed").format(name=options.name, **counts))
    if counts["failed"]:
        complain(_("{name} does not conform.").format(name=options.name))
    return 1 if counts["failed"] else 0

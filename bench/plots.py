"""`python -m bench.plots FILE.json … FOLDER`: how the figures grow with the order book, as small SVG pictures.

One picture per benchmark that looks at growth: orders stored along the bottom (10 thousand to a million, by powers), the
figure up the side, one line per question.
"""

import json
import math
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from domain.text import safe

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 360, 70, 240, 40, 40
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22")
TITLES = {
    "list": "Keys in the list of all orders, ms of CPU, p50",
    "stages": "From Enter to the first rows, ms of CPU, p50",
    "bulk": "A command, ms of CPU per shipment",
    "ingest": "New orders per s of CPU",
    "sync": "Orders synced per s of CPU",
    "scan": "Scan to verdict, ms of wall, p95",
}
Series = dict[str, list[tuple[int, float]]]

_SIZE = re.compile(r",? (\d{4,})(?: stored)?$")
_UNGROWN = re.compile(r", p50$")


def growth(results: Sequence[Mapping[str, object]], orders: int) -> dict[str, Series]:
    """Benchmark → question → its points. The figure at the full size is the reference of the smaller ones, or its own row."""
    found: dict[str, Series] = {}
    for r in results:
        metric = str(r["metric"])
        size = _SIZE.search(metric)
        if not metric.startswith("growth: ") or size is None:
            continue
        name, title = str(r["name"]), metric.removeprefix("growth: ")[: size.start() - len("growth: ")]
        line = found.setdefault(name, {}).setdefault(_UNGROWN.sub("", title), [])
        line.append((int(size[1]), float(str(r["value"]))))
        if (
            name in {"list", "stages"}
            and r["reference"] is not None
            and int(size[1]) == _last_before(results, name, orders)
        ):
            line.append((orders, float(str(r["reference"]))))
    for r in results:
        if r["name"] == "scan" and str(r["metric"]).endswith("stations, p95") and "scan" in found:
            next(iter(found["scan"].values())).append((orders, float(str(r["value"]))))
    for lines in found.values():
        for points in lines.values():
            points.sort()
    return found


def _last_before(results: Sequence[Mapping[str, object]], name: str, orders: int) -> int:
    sizes = [int(m[1]) for r in results if r["name"] == name and (m := _SIZE.search(str(r["metric"])))]
    return max((s for s in sizes if s < orders), default=0)


def draw(title: str, lines: Series) -> str:
    """The picture as SVG."""
    sizes = sorted({x for points in lines.values() for x, _y in points})
    values = [y for points in lines.values() for _x, y in points]
    # Where figures lie far apart, powers of ten stand up the side; else the side begins at nothing.
    steep = max(values) > 20 * min(values)
    ticks = _powers(min(values), max(values)) if steep else [_round_up(max(values)) * n / 4 for n in range(5)]
    low, high = math.log10(sizes[0]), math.log10(sizes[-1])
    plot_w, plot_h = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def up(y: float) -> float:
        if steep:
            return math.log10(y / ticks[0]) / math.log10(ticks[-1] / ticks[0])
        return y / ticks[-1]

    def at(x: int, y: float) -> str:
        across = LEFT + plot_w * ((math.log10(x) - low) / (high - low) if high > low else 0.5)
        return f"{across:.1f},{TOP + plot_h * (1 - up(y)):.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="14" font-weight="bold">{_text(title)}</text>',
    ]
    for y in ticks:
        px = at(sizes[0], y).split(",")[1]
        parts.append(f'<line x1="{LEFT}" y1="{px}" x2="{LEFT + plot_w}" y2="{px}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{float(px) + 4:.1f}" text-anchor="end">{y:,.4g}</text>')
    for x in sizes:
        px = at(x, ticks[0]).split(",")[0]
        parts.append(f'<text x="{px}" y="{HEIGHT - 18}" text-anchor="middle">{x:,}</text>')
    for n, (name, points) in enumerate(lines.items()):
        colour = COLOURS[n % len(COLOURS)]
        dash = ' stroke-dasharray="5 3"' if n >= len(COLOURS) else ""
        path = " ".join(at(x, y) for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        for x, y in points:
            px, py = at(x, y).split(",")
            parts.append(f'<circle cx="{px}" cy="{py}" r="3" fill="{colour}"/>')
        beside = TOP + 12 + 17 * n
        parts.append(f'<rect x="{WIDTH - RIGHT + 14}" y="{beside - 9}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 30}" y="{beside}">{_text(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _powers(least: float, most: float) -> list[float]:
    first, last = math.floor(math.log10(least)), math.ceil(math.log10(most))
    return [10.0**n for n in range(first, last + 1)]


def _round_up(value: float) -> float:
    power = 10 ** math.floor(math.log10(value)) if value > 0 else 1
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value)


def _text(text: str) -> str:
    return safe(text, 60).replace("&", "&amp;").replace("<", "&lt;")


def main(files: Sequence[str], folder: Path) -> None:
    """Draw what the documents hold."""
    results: dict[str, list[Mapping[str, object]]] = {}
    orders = 1_000_000
    for file in files:
        document = json.loads(Path(file).read_text(encoding="utf-8"))
        orders = document["orders"]
        for name in {r["name"] for r in document["results"]}:
            results[name] = [r for r in document["results"] if r["name"] == name]
    for name, lines in growth([r for found in results.values() for r in found], orders).items():
        target = folder / f"growth-{name}.svg"
        target.write_text(draw(TITLES[name], lines), encoding="utf-8")
        sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    main(sys.argv[1:-1], Path(sys.argv[-1]))

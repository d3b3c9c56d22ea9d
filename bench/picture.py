"""`python -m bench.picture [FILE]`: draws a terminal's screen as a PNG.

Pictures of the program are made from the running program, with the font that its papers carry, and look the same on
every machine. A picture is built in palette colours from the start, with few shades, which keeps edges crisp and files
small: 53 bytes a character or so at scale 2, 150 kB for a well filled screen of 160 by 45 cells.
"""

import argparse
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from PIL import Image, ImageDraw, ImageFont

FONT = Path(__file__).parent.parent / "connectors" / "paper" / "fonts" / "wqy-microhei.ttc"
MONO = "WenQuanYi Micro Hei Mono"
CELL_WIDTH, CELL_HEIGHT = 9, 18
"""A cell in pixels at scale 1: half as wide as high, so that a Han character stands in a square."""
SIZE = 15
"""Font size in pixels at scale 1: the font's letters are 0.6 of it wide, which is a cell."""
WIDE_SIZE = 16.5
"""Font size of characters that have two cells, to fill them as the letters fill theirs."""
BASELINE = 14
"""Pixels from a cell's top to the line that letters stand on, at scale 1."""
MARGIN = 8
"""Pixels around the screen at scale 1."""
LEVELS = 4
"""Shades from background to foreground, both included: at scale 2 more are not seen and make larger files."""
CONTRAST = 1.5
"""How much the edges of glyphs are sharpened."""

Colour = tuple[int, int, int]
FOREGROUND: Colour = (220, 223, 228)
BACKGROUND: Colour = (18, 18, 18)
NAMES: dict[str, Colour] = {
    "black": (0, 0, 0),
    "red": (205, 49, 49),
    "green": (13, 188, 121),
    "brown": (229, 192, 60),
    "yellow": (229, 192, 60),
    "blue": (56, 124, 210),
    "magenta": (188, 63, 188),
    "cyan": (17, 168, 205),
    "white": (229, 229, 229),
    "brightblack": (112, 112, 112),
    "brightred": (241, 76, 76),
    "brightgreen": (35, 209, 139),
    "brightbrown": (245, 225, 90),
    "brightyellow": (245, 225, 90),
    "brightblue": (92, 156, 245),
    "brightmagenta": (214, 112, 214),
    "brightcyan": (41, 184, 219),
    "brightwhite": (255, 255, 255),
}

STAND_INS = str.maketrans("▸▾◂▴∙⋯⚑⚠☐☑☒◌⬤⭘➜", "▶▼◀▲·…►△□■■○●○→")
"""What the font lacks and what comes near it; anything else it lacks is drawn as an empty box."""

SHADES = {" ": 0.0, "░": 0.25, "▒": 0.5, "▓": 0.75}
"""Characters that are an even area: how much foreground is in it."""
SIGNS: dict[str, Sequence[Sequence[tuple[float, float]]]] = {
    "✓": [[(0.08, 0.55), (0.36, 0.72), (0.92, 0.3)]],
    "✗": [[(0.1, 0.32), (0.9, 0.72)], [(0.9, 0.32), (0.1, 0.72)]],
    "→": [[(0.04, 0.52), (0.96, 0.52)], [(0.58, 0.36), (0.94, 0.52), (0.58, 0.68)]],
    "←": [[(0.04, 0.52), (0.96, 0.52)], [(0.42, 0.36), (0.06, 0.52), (0.42, 0.68)]],
    "↑": [[(0.5, 0.25), (0.5, 0.8)], [(0.16, 0.43), (0.5, 0.25), (0.84, 0.43)]],
    "↓": [[(0.5, 0.25), (0.5, 0.8)], [(0.16, 0.62), (0.5, 0.8), (0.84, 0.62)]],
    "␣": [[(0.1, 0.66), (0.1, 0.78), (0.9, 0.78), (0.9, 0.66)]],
}
"""Signs that the font lacks or has only as wide as a Han character: strokes in parts of a cell, (0, 0) at its top left."""
for _twin, _sign in {"✔": "✓", "✘": "✗", "✕": "✗", "⎵": "␣"}.items():
    SIGNS[_twin] = SIGNS[_sign]


class Cell(NamedTuple):
    """One place of a screen. A wide character is followed by a cell whose `char` is empty."""

    char: str = " "
    fg: str = "default"
    """`default`, a name such as `red` or `brightblue`, or six hex digits."""
    bg: str = "default"
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False


class Screen(Protocol):
    """Anything that can name its cells."""

    def rows(self) -> list[list[Cell]]:
        """Rows from the top, cells from the left."""
        ...


def colour(name: str, default: Colour) -> Colour:
    """Red, green and blue of a colour's name or hex digits, 0 to 255.

    Raises:
        ValueError: neither a name known here nor six hex digits.
    """
    if name == "default":
        return default
    if name in NAMES:
        return NAMES[name]
    digits = name.removeprefix("#")
    if len(digits) != 6:
        raise ValueError(f"no such colour: {name}")
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def blend(under: Colour, over: Colour, part: float) -> Colour:
    """A colour between two: 0 is `under`, 1 is `over`."""
    red, green, blue = (round(u + (o - u) * part) for u, o in zip(under, over, strict=True))
    return red, green, blue


def colours(cell: Cell) -> tuple[Colour, Colour]:
    """Foreground and background of a cell as they are seen."""
    fg, bg = colour(cell.fg, FOREGROUND), colour(cell.bg, BACKGROUND)
    if cell.reverse:
        fg, bg = bg, fg
    if cell.dim:
        fg = blend(bg, fg, 0.6)
    return fg, bg


def cell_box(row: int, column: int, scale: int = 2, cells: int = 1) -> tuple[int, int, int, int]:
    """Left, top, right and bottom in pixels of a cell in a picture; right and bottom belong to the next one."""
    left, top = (MARGIN + column * CELL_WIDTH) * scale, (MARGIN + row * CELL_HEIGHT) * scale
    return left, top, left + cells * CELL_WIDTH * scale, top + CELL_HEIGHT * scale


# Glyphs: masks of the size of their cells, 0 where the background stays and 255 where there is ink


@cache
def font(size: float) -> ImageFont.FreeTypeFont:
    """The monospaced face of the collection, which holds a proportional one as well."""
    for index in range(8):
        try:
            found = ImageFont.truetype(str(FONT), size, index=index, layout_engine=ImageFont.Layout.BASIC)
        except OSError:
            break
        if found.getname()[0] == MONO:
            return found
    raise LookupError(f"{MONO} is not in {FONT}")


@cache
def lacks(char: str) -> bool:
    """Whether the font shows its box for unknown characters in place of this one."""
    face = font(32)
    return bytes(face.getmask(char)) == bytes(face.getmask("\ue123")) and face.getmask(char).getbbox() is not None


class Style(NamedTuple):
    """What changes the shape of a glyph."""

    bold: bool
    italic: bool
    underline: bool


@lru_cache(maxsize=20_000)
def glyph(char: str, style: Style, cells: int, scale: int) -> Image.Image:
    """The mask of a character (with its accents) over one or two cells."""
    size = (cells * CELL_WIDTH * scale, CELL_HEIGHT * scale)
    mask = Image.new("L", size, 0)
    if char.strip():
        drawn = drawing(char, size, scale) if len(char) == 1 else None
        if drawn is not None:
            mask = drawn
        else:
            letters(mask, char, style, cells, scale)
    if style.underline:
        top = (BASELINE + 2) * scale
        ImageDraw.Draw(mask).rectangle((0, top, size[0], top + scale - 1), fill=255)
    step = 255 / (LEVELS - 1)
    sharp = [min(255.0, max(0.0, (v - 127.5) * CONTRAST + 127.5)) for v in range(256)]
    return mask.point([round(round(v / step) * step) for v in sharp])


def letters(mask: Image.Image, text: str, style: Style, cells: int, scale: int) -> None:
    """Draw text from the font into a mask: centred, made smaller where it is wider than its cells."""
    text = "".join(c.translate(STAND_INS) if lacks(c) else c for c in text)
    if lacks(text[0]):
        width, height = mask.size
        box = (2 * scale, 4 * scale, width - 2 * scale - 1, height - 4 * scale - 1)
        ImageDraw.Draw(mask).rectangle(box, outline=255, width=scale)
        return
    size = (SIZE if cells == 1 else WIDE_SIZE) * scale
    face = font(size)
    wide = face.getlength(text)
    if wide > mask.width + scale / 2:
        left, _, right, _ = face.getbbox(text)
        face = font(min(size, size * mask.width / max(right - left, 1)))
        left, top, right, bottom = face.getbbox(text)
        x, y = (mask.width - right - left) / 2, (mask.height - bottom - top) / 2
        ImageDraw.Draw(mask).text((x, y), text, font=face, fill=255)
        return
    shifted = Image.new("L", mask.size, 0)
    # A Han character hangs a little lower than the letters' line, so that it stands in the middle of its square.
    foot = BASELINE * scale + (0.6 * scale if cells == 2 else 0)
    weight = 0.3 * scale if style.bold else 0
    ImageDraw.Draw(shifted).text(
        ((mask.width - wide) / 2, foot), text, font=face, fill=255, anchor="ls", stroke_width=weight
    )
    if style.italic:
        lean = 0.2
        shifted = shifted.transform(
            mask.size, Image.Transform.AFFINE, (1, lean, -lean * foot * 0.6, 0, 1, 0), Image.Resampling.BICUBIC
        )
    mask.paste(shifted)


# Lines and blocks: drawn, so that they meet the next cell without a gap


def drawing(char: str, size: tuple[int, int], scale: int) -> Image.Image | None:
    """The mask of a line, block or Braille character; None for all others."""
    if "─" <= char <= "╿":
        return lines(unicodedata.name(char).removeprefix("BOX DRAWINGS "), size, scale)
    if "▀" <= char <= "▟" and char not in SHADES:
        return blocks(char, size)
    if "⠀" <= char <= "⣿":
        return braille(ord(char) - 0x2800, size)
    if char in SIGNS and size[0] < size[1]:
        return sign(SIGNS[char], size, scale)
    return None


def sign(strokes: Sequence[Sequence[tuple[float, float]]], size: tuple[int, int], scale: int) -> Image.Image:
    """A sign of straight strokes, as strong as the letters."""
    fine = 4
    width, height, thick = size[0] * fine, size[1] * fine, round(1.4 * scale * fine)
    large = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(large)
    for stroke in strokes:
        points = [(x * width, y * height) for x, y in stroke]
        draw.line(points, fill=255, width=thick, joint="curve")
    return large.resize(size, Image.Resampling.BOX)


def arms(name: str) -> dict[str, str]:
    """The weights (`LIGHT`, `HEAVY`, `DOUBLE`) by direction of a line character, from its Unicode name."""
    words = {"SINGLE": "LIGHT"}
    weights = ("LIGHT", "HEAVY", "DOUBLE")
    sides = {"HORIZONTAL": ("LEFT", "RIGHT"), "VERTICAL": ("UP", "DOWN")}
    parts = [[words.get(w, w) for w in part.split()] for part in name.split(" AND ")]
    common = next(w for part in parts for w in part if w in weights)
    found: dict[str, str] = {}
    for part in parts:
        weight = next((w for w in part if w in weights), common)
        for word in part:
            if word not in weights:
                found |= dict.fromkeys(sides.get(word, (word,)), weight)
    return found


def lines(name: str, size: tuple[int, int], scale: int) -> Image.Image:
    """A line character: straight ones on whole pixels, bent and slanting ones smoothed."""
    if "ARC" in name or "DIAGONAL" in name:
        return curves(name, size, scale)
    width, height = size
    mask = Image.new("L", size, 0)
    draw = ImageDraw.Draw(mask)
    thin = scale
    middle_x, middle_y = (width - thin) // 2, (height - thin) // 2

    if "DASH" in name:
        weight, count, _, direction = name.split()
        thick = thin if weight == "LIGHT" else 2 * thin
        number = {"DOUBLE": 2, "TRIPLE": 3, "QUADRUPLE": 4}[count]
        length = width if direction == "HORIZONTAL" else height
        for n in range(number):
            begin, end = round(length * (n + 0.2) / number), round(length * (n + 0.8) / number) - 1
            if direction == "HORIZONTAL":
                draw.rectangle((begin, middle_y, end, middle_y + thick - 1), fill=255)
            else:
                draw.rectangle((middle_x, begin, middle_x + thick - 1, end), fill=255)
        return mask

    found = arms(name)

    spreads = {"LIGHT": 0, "HEAVY": (thin + 1) // 2, "DOUBLE": thin}

    def across(*sides: str) -> int:
        """How much thicker than a thin line, on either side, the thickest of some arms is."""
        return max((spreads[found[side]] for side in sides if side in found), default=0)

    beyond = {"LEFT": across("UP", "DOWN"), "UP": across("LEFT", "RIGHT")}
    beyond |= {"RIGHT": beyond["LEFT"], "DOWN": beyond["UP"]}

    def arm(side: str, spread: int, far: int, fill: int) -> None:
        """From an edge to `far` pixels beyond the middle, `spread` pixels thicker than a thin line on either side."""
        level = side in ("LEFT", "RIGHT")
        aside, up = (far, spread) if level else (spread, far)
        left, right = middle_x - aside, middle_x + thin + aside - 1
        top, bottom = middle_y - up, middle_y + thin + up - 1
        match side:
            case "LEFT":
                left = 0
            case "RIGHT":
                right = width
            case "UP":
                top = 0
            case _:
                bottom = height
        draw.rectangle((left, top, right, bottom), fill=fill)

    for side, weight in found.items():
        arm(side, spreads[weight], beyond[side], 255)
    doubles = [side for side, weight in found.items() if weight == "DOUBLE"]
    for side in doubles:  # hollow them out together, so that their insides meet
        arm(side, 0, 0, 0)
    if doubles:
        for side, weight in found.items():
            if weight == "LIGHT":
                arm(side, 0, beyond[side], 255)
        for pair in (("UP", "DOWN"), ("LEFT", "RIGHT")):
            if len(found) == 3 and set(pair) <= set(doubles):
                for side in pair:  # a single line ends at a double one instead of entering it
                    arm(side, 0, 0, 0)
    return mask


def curves(name: str, size: tuple[int, int], scale: int) -> Image.Image:
    """Rounded corners and diagonals, drawn four times as large and brought down."""
    fine = 4
    width, height = size[0] * fine, size[1] * fine
    thin = scale * fine
    large = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(large)
    if "DIAGONAL" in name:
        if "CROSS" in name or "UPPER RIGHT TO LOWER LEFT" in name:
            draw.line((width, 0, 0, height), fill=255, width=thin)
        if "CROSS" in name or "UPPER LEFT TO LOWER RIGHT" in name:
            draw.line((0, 0, width, height), fill=255, width=thin)
    else:
        # The same whole pixels as straight lines have, so that a corner meets its neighbours.
        left, top = (size[0] - scale) // 2 * fine, (size[1] - scale) // 2 * fine
        radius = (size[0] - (size[0] - scale) // 2) * fine
        down, right = "DOWN" in name, "RIGHT" in name
        centre_x = left + radius if right else left + thin - radius
        centre_y = top + radius if down else top + thin - radius
        box = (centre_x - radius, centre_y - radius, centre_x + radius - 1, centre_y + radius - 1)
        start = {(True, True): 180, (True, False): 270, (False, True): 90, (False, False): 0}[down, right]
        draw.arc(box, start, start + 90, fill=255, width=thin)
        upright = (left, centre_y, left + thin - 1, height) if down else (left, 0, left + thin - 1, centre_y)
        level = (centre_x, top, width, top + thin - 1) if right else (0, top, centre_x, top + thin - 1)
        draw.rectangle(upright, fill=255)
        if level[0] < level[2]:
            draw.rectangle(level, fill=255)
    return large.resize(size, Image.Resampling.BOX)


def blocks(char: str, size: tuple[int, int]) -> Image.Image:
    """Block elements: eighths, halves and quarters."""
    width, height = size
    number = ord(char) - 0x2580
    mask = Image.new("L", size, 0)
    draw = ImageDraw.Draw(mask)

    def fill(left: float, top: float, right: float, bottom: float) -> None:
        """Parts of the cell, 0 to 1; no part vanishes."""
        x0, y0, x1, y1 = round(left * width), round(top * height), round(right * width), round(bottom * height)
        draw.rectangle((min(x0, width - 1), min(y0, height - 1), max(x1 - 1, x0), max(y1 - 1, y0)), fill=255)

    if char == "▀":
        fill(0, 0, 1, 0.5)
    elif number <= 0x08:  # lower eighths up to the full block
        fill(0, 1 - number / 8, 1, 1)
    elif number <= 0x0F:  # left eighths, from seven down to one
        fill(0, 0, (0x10 - number) / 8, 1)
    elif char == "▐":
        fill(0.5, 0, 1, 1)
    elif char == "▔":
        fill(0, 0, 1, 1 / 8)
    elif char == "▕":
        fill(7 / 8, 0, 1, 1)
    else:
        name = unicodedata.name(char)
        for words, box in (
            ("UPPER LEFT", (0, 0, 0.5, 0.5)),
            ("UPPER RIGHT", (0.5, 0, 1, 0.5)),
            ("LOWER LEFT", (0, 0.5, 0.5, 1)),
            ("LOWER RIGHT", (0.5, 0.5, 1, 1)),
        ):
            if words in name:
                fill(*box)
    return mask


def braille(dots: int, size: tuple[int, int]) -> Image.Image:
    """Braille patterns, which programs use as spinners and small graphs."""
    fine = 4
    width, height = size[0] * fine, size[1] * fine
    large = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(large)
    radius = width * 0.12
    for bit, (column, row) in enumerate(((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))):
        if dots >> bit & 1:
            x, y = width * (0.27 + 0.46 * column), height * (0.14 + 0.24 * row)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return large.resize(size, Image.Resampling.BOX)


# The picture


class Palette:
    """Up to 256 colours; one more gets the nearest there is."""

    def __init__(self) -> None:
        self.numbers: dict[Colour, int] = {}

    def number(self, wanted: Colour) -> int:
        """The number of a colour in the palette."""
        if wanted not in self.numbers:
            if len(self.numbers) < 256:
                self.numbers[wanted] = len(self.numbers)
            else:
                return min(
                    (sum((a - b) ** 2 for a, b in zip(wanted, had, strict=True)), number)
                    for had, number in self.numbers.items()
                )[1]
        return self.numbers[wanted]

    def shades(self, under: Colour, over: Colour) -> list[int]:
        """For every level of a mask, 0 to 255, the number of the colour between background and foreground."""
        step = 255 / (LEVELS - 1)
        steps = [self.number(blend(under, over, n / (LEVELS - 1))) for n in range(LEVELS)]
        return [steps[round(v / step)] for v in range(256)]


def spans(row: Sequence[Cell]) -> Iterator[tuple[int, Cell, int]]:
    """Column, cell and width in cells of what stands in a row; both halves of a wide character are one."""
    for column, cell in enumerate(row):
        if cell.char:
            wide = column + 1 < len(row) and row[column + 1].char == ""
            yield column, cell, 2 if wide else 1


def draw(
    screen: Screen | Sequence[Sequence[Cell]],
    path: Path | str,
    scale: int = 2,
    cursor: tuple[int, int] | None = None,
) -> None:
    """Draw a screen into a PNG file.

    Args:
        screen: a terminal, or rows of cells.
        path: the file to write.
        scale: whole multiple of 9 by 18 pixels for a cell.
        cursor: row and column of a block cursor; none is drawn otherwise.
    """
    rows = [list(row) for row in (screen if isinstance(screen, Sequence) else screen.rows())]
    if cursor is not None and cursor[0] < len(rows) and cursor[1] < len(rows[cursor[0]]):
        under = rows[cursor[0]][cursor[1]]
        rows[cursor[0]][cursor[1]] = under._replace(reverse=not under.reverse)
    seen = {(cell.fg, cell.bg, cell.dim, cell.reverse): colours(cell) for row in rows for cell in row}
    used = Counter(seen[cell.fg, cell.bg, cell.dim, cell.reverse] for row in rows for cell in row)
    grounds = Counter(seen[cell.fg, cell.bg, cell.dim, cell.reverse][1] for row in rows for cell in row)
    palette = Palette()
    around = palette.number(grounds.most_common(1)[0][0] if grounds else BACKGROUND)
    for pair, _ in used.most_common():  # the flat colours first: they must be exact, shades need not
        for flat in pair:
            palette.number(flat)
    shades = {(fg, bg): palette.shades(bg, fg) for (fg, bg), _ in used.most_common()}

    columns = max((len(row) for row in rows), default=0)
    width, height = cell_box(len(rows), columns, scale)[:2]
    picture = Image.new("P", (width + MARGIN * scale, height + MARGIN * scale), around)
    for y, row in enumerate(rows):
        for x, cell, cells in spans(row):
            pair = seen[cell.fg, cell.bg, cell.dim, cell.reverse]
            box = cell_box(y, x, scale, cells)
            if cell.char in SHADES and not cell.underline:
                picture.paste(palette.number(blend(pair[1], pair[0], SHADES[cell.char])), box)
            else:
                mask = glyph(cell.char, Style(cell.bold, cell.italic, cell.underline), cells, scale)
                picture.paste(mask.point(shades[pair]), box[:2])
    picture.putpalette([part for known in palette.numbers for part in known])
    picture.save(path, "PNG", optimize=True)


# A look at it


def cells_of(text: str, **style: Any) -> list[Cell]:
    """Cells of a text in one style; Han characters take two."""
    made: list[Cell] = []
    for char in text:
        cell = Cell(char)._replace(**style)
        made.append(cell)
        if unicodedata.east_asian_width(char) in "WF":
            made.append(cell._replace(char=""))
    return made


def demo(columns: int = 160, rows: int = 45) -> list[list[Cell]]:
    """A made-up screen with everything that a picture must get right; nobody in it exists."""
    panel, blue, grey = "1e2430", "5c9cf5", "8a93a3"

    def fitted(cells: list[Cell], bg: str = "default", width: int = columns) -> list[Cell]:
        cells = cells[:width]
        return cells + [Cell(bg=bg)] * (width - len(cells))

    def column(text: str, width: int, **style: Any) -> list[Cell]:
        cells = cells_of(text, **style)[: width - 1]
        if cells and cells[-1].char and unicodedata.east_asian_width(cells[-1].char) in "WF":
            cells[-1] = cells[-1]._replace(char=" ")
        return cells + cells_of(" " * (width - len(cells)), **style)

    made = [
        fitted(
            [
                *cells_of(" shipdeck ", fg="ffffff", bg="2b5fb8", bold=True),
                *cells_of("  Review 128  ", fg="ffffff", bg="3a4458", bold=True),
                *cells_of("  Processing 64  Waybill 12  To print 40  Shipped 1,204 ", fg="c5cbd6", bg=panel),
                *cells_of("  ● synced 12 s ago", fg="brightgreen", bg=panel),
                *cells_of("  待审核 128 ▲3", fg="brightred", bg=panel),
            ],
            panel,
        ),
        fitted(cells_of("╭" + "─" * (columns - 2) + "╮", fg=blue)),
    ]
    people = [
        ("李小龙", "广东省深圳市南山区科技园路 18 号", "陶瓷杯 绿色 ×2"),
        ("Żaneta Gęśla-Jaźńska", "ul. Świętokrzyska 12/4, 00-116 Łódź", "Kubek „zażółć” 0,3 l"),
        ("欧阳娜娜", "浙江省杭州市西湖区文三路 90 号", "茶壶(大)套装"),
        ("Krzysztof Wójcik", "os. Piastów 5, 31-624 Kraków", "Talerz głęboki, biały"),
        ("Zoë O'Hara", "Rue de l'Église 7, 1050 Bruxelles", "Mug, green"),
    ]
    for n in range(rows - 16):
        who, where, what = people[n % len(people)]
        bg = "264f78" if n == 4 else "default"
        marked = n in (2, 3, 7)
        state, shade = [("paid", "green"), ("note!", "brown"), ("held", "red"), ("paid", "green")][n % 4]
        row = [
            *cells_of("│", fg=blue),
            *column(" ▌" if n == 4 else " ✓" if marked else "", 4, fg="brightbrown", bg=bg, bold=True),
            *column(f"K{n * 37 + 1:06d}", 10, bg=bg, bold=n == 4),
            *column(["PL-Woo", "淘宝店", "DE-Woo"][n % 3], 9, fg="brightcyan", bg=bg),
            *column(state, 8, fg=shade, bg=bg),
            *column(who, 26, bg=bg),
            *column(where, 46, fg="c5cbd6", bg=bg),
            *column(what, 30, bg=bg),
            *column(f"{19.9 + n * 7.35:>9.2f} PLN", 15, bg=bg),
            *column(f"{n * 3 % 59} min", 8, fg=grey, bg=bg, dim=n % 3 == 0),
        ]
        made.append([*fitted(row, bg, columns - 1), *cells_of("█" if n < 6 else "│", fg=blue if n >= 6 else "4a5a78")])
    made.append(fitted(cells_of("├" + "─" * 60 + "┬" + "─" * (columns - 63) + "┤", fg=blue)))
    left = [
        cells_of(" ┏━━━━━━┳━━━━┓ ╔═════╦═══╗ ┌──┬╌╌┐ ╒═╤╕ ╓─╥╖ ╱╲", fg="brightmagenta"),
        cells_of(" ┃ 重量 ┃ kg ┃ ║ 订单║ n ║ │中│国│ ╞═╪╡ ╟─╫╢ ╲╱", fg="brightmagenta"),
        cells_of(" ┣━━━━━━╋━━━━┫ ╠═════╬═══╣ ├──┼╌╌┤ ╘═╧╛ ╙─╨╜ ╳╳", fg="brightmagenta"),
        cells_of(" ┗━━━━━━┻━━━━┛ ╚═════╩═══╝ └──┴╌╌┘ ┍┑┝┥┕┙ ┎┒┠┨┖┚", fg="brightmagenta"),
        cells_of(" ▁▂▃▄▅▆▇█▉▊▋▌▍▎▏ ▐▕▔ ░▒▓ ▖▗▘▙▚▛▜▝▞▟ ⠋⠙⠹⠸⠼⠴⠦⠧", fg="brightgreen"),
        cells_of(" → ← ↑ ↓ ✓ ✗ ★ ▶ ▸ ▾ ● ○ ■ □ · × … € ￥ № ① ⚠ ☃", fg="brightbrown"),
        cells_of(" Progress ████████████▌        62 %", fg="brightblue"),
        cells_of(" gjpqy|ÅÇŚĄ_ 0O1lI{}[]()<>#@&%$ MWmw"),
    ]
    styles: list[tuple[str, dict[str, Any]]] = [
        ("normal", {}),
        ("bold 粗体", {"bold": True}),
        ("dim 淡", {"dim": True}),
        ("italic 斜体 filing", {"italic": True}),
        ("underlined 下划线", {"underline": True}),
        ("reversed 反显", {"reverse": True}),
        ("red 16", {"fg": "red"}),
        ("bold reversed", {"bold": True, "reverse": True}),
    ]
    for n, cells in enumerate(left):
        name, style = styles[n]
        right = cells_of(f" {name}: The quick fox, zażółć gęślą jaźń, 快递单号 ", **style)
        row = [*cells_of("│", fg=blue), *fitted(cells, width=60), *cells_of("│", fg=blue), *right]
        made.append([*fitted(row, width=columns - 1), *cells_of("│", fg=blue)])
    made.append(fitted(cells_of("╰" + "─" * 60 + "┴" + "─" * (columns - 63) + "╯", fg=blue)))
    made.append(fitted(cells_of(" 3 marked · 128 in review · nothing waits for the worker", fg=grey)))
    made.append(
        fitted(
            [
                part
                for key, what in (("F1", "Help"), ("F2", "Commands"), ("F9", "Approve"), ("␣", "Mark"), ("/", "Filter"))
                for part in (
                    *cells_of(f" {key} ", fg="ffffff", bg="3a4458", bold=True),
                    *cells_of(f" {what} ", bg=panel),
                )
            ],
            panel,
        )
    )
    return [*made, *[[Cell()] * columns] * (rows - len(made))]


def main() -> None:
    """Draw the demo."""
    parser = argparse.ArgumentParser(prog="python -m bench.picture", description="Draw a made-up screen as a PNG.")
    parser.add_argument("file", nargs="?", default="picture.png", help="file to write (default: %(default)s)")
    parser.add_argument("--scale", type=int, default=2, help="size: multiples of 9 by 18 pixels a cell")
    given = parser.parse_args()
    draw(demo(), given.file, given.scale)
    print(f"{given.file}: {Path(given.file).stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

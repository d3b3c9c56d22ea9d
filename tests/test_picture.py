"""Pictures of a terminal's screen: ink where there is text, in its colour, and nowhere else."""

import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from bench.picture import BACKGROUND, FOREGROUND, NAMES, Cell, Style, arms, cell_box, cells_of, demo, draw, glyph, lacks

ROOT = Path(__file__).parent.parent


def drawn(rows: list[list[Cell]], folder: Path, scale: int = 2, cursor: tuple[int, int] | None = None) -> Image.Image:
    file = folder / "screen.png"
    draw(rows, file, scale, cursor)
    with Image.open(file) as picture:
        return picture.convert("RGB")


def ink(
    picture: Image.Image, row: int, column: int, cells: int = 1, scale: int = 2
) -> tuple[int, int, int, int] | None:
    """Where in a cell, from its own top left, anything differs from the background; None if nothing does."""
    part = picture.crop(cell_box(row, column, scale, cells))
    return ImageChops.difference(part, Image.new("RGB", part.size, BACKGROUND)).getbbox()


def colours_in(picture: Image.Image, row: int, column: int, cells: int = 1) -> set[tuple[int, ...]]:
    found = picture.crop(cell_box(row, column, 2, cells)).getcolors(10_000)
    assert found is not None
    return {colour for _, colour in found if isinstance(colour, tuple)}


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize("text", ["Łódź żółć ĄĘŚ", "gjpqy|Ż", "快递单号", "╔═╗│┼╭╯━╋", "█▁▏░▐▚", "→✓✗★⠋€"])
def test_every_character_has_ink_in_its_own_cell_and_spaces_have_none(text: str, scale: int, tmp_path: Path) -> None:
    row = [Cell(), *cells_of(text), Cell()]
    picture = drawn([[Cell()] * len(row), row, [Cell()] * len(row)], tmp_path, scale)
    for column, cell in enumerate(row):
        wide = column + 1 < len(row) and row[column + 1].char == ""
        found = ink(picture, 1, column, 2 if wide else 1, scale)
        if cell.char:
            assert (found is None) == (cell.char == " "), cell.char
        for other in (0, 2):
            assert ink(picture, other, column, scale=scale) is None, f"{cell.char} leaves its row"


def test_a_screen_measures_its_cells_and_its_margin(tmp_path: Path) -> None:
    assert drawn([[Cell()] * 160] * 45, tmp_path).size == (2 * (8 + 160 * 9 + 8), 2 * (8 + 45 * 18 + 8))
    assert cell_box(0, 0) == (16, 16, 34, 52)
    assert cell_box(2, 3, scale=1, cells=2) == (35, 44, 53, 62)


def test_han_characters_stand_in_the_middle_of_their_two_cells(tmp_path: Path) -> None:
    picture = drawn([cells_of("国国ab")], tmp_path)
    first, second = ink(picture, 0, 0, 2), ink(picture, 0, 2, 2)
    assert first == second
    assert first is not None
    left, top, right, bottom = first
    assert abs(left - (36 - right)) <= 3
    assert abs(top - (36 - bottom)) <= 4
    assert right - left >= 24


@pytest.mark.parametrize(
    ("line", "edges"), [("─", "lr"), ("│", "tb"), ("┼", "lrtb"), ("╔", "rb"), ("╮", "lb"), ("╋", "lrtb")]
)
def test_lines_reach_the_edges_of_their_cells(line: str, edges: str) -> None:
    for scale in (1, 2, 3):
        mask = glyph(line, Style(False, False, False), 1, scale)
        width, height = mask.size
        sides = {
            "l": mask.crop((0, 0, 1, height)),
            "r": mask.crop((width - 1, 0, width, height)),
            "t": mask.crop((0, 0, width, 1)),
            "b": mask.crop((0, height - 1, width, height)),
        }
        assert {name for name, side in sides.items() if side.getbbox()} == set(edges)


@pytest.mark.parametrize("pair", ["─╮", "╭─", "─┼", "╰─", "═╗", "━┓", "╔═", "─╯"])
def test_a_corner_meets_the_line_beside_it_at_the_same_height(pair: str) -> None:
    left, right = (glyph(char, Style(False, False, False), 1, 2) for char in pair)
    touching = [image.crop((x, 0, x + 1, 36)) for image, x in ((left, 17), (right, 0))]
    assert touching[0].tobytes() == touching[1].tobytes()


def test_every_line_character_is_understood_by_its_name() -> None:
    for number in range(0x2500, 0x2580):
        name = unicodedata.name(chr(number)).removeprefix("BOX DRAWINGS ")
        if not {"ARC", "DIAGONAL", "DASH"} & set(name.split()):
            found = arms(name)
            assert set(found) <= {"LEFT", "RIGHT", "UP", "DOWN"}, name
            assert set(found.values()) <= {"LIGHT", "HEAVY", "DOUBLE"}, name
        assert glyph(chr(number), Style(False, False, False), 1, 2).getbbox(), name
    assert arms("DOWN LIGHT AND RIGHT HEAVY") == {"DOWN": "LIGHT", "RIGHT": "HEAVY"}
    assert arms("VERTICAL SINGLE AND LEFT DOUBLE") == {"UP": "LIGHT", "DOWN": "LIGHT", "LEFT": "DOUBLE"}


def test_blocks_fill_exactly_their_part() -> None:
    assert [glyph(char, Style(False, False, False), 1, 2).getbbox() for char in "█▄▀▌▐▗"] == [
        (0, 0, 18, 36),
        (0, 18, 18, 36),
        (0, 0, 18, 18),
        (0, 0, 9, 36),
        (9, 0, 18, 36),
        (9, 18, 18, 36),
    ]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (Cell("█"), FOREGROUND),
        (Cell("█", "ff8000"), (255, 128, 0)),
        (Cell("█", "brightbrown"), NAMES["brightbrown"]),
        (Cell("█", reverse=True), BACKGROUND),
        (Cell(" ", bg="102030"), (16, 32, 48)),
        (Cell(" ", "red", reverse=True), NAMES["red"]),
    ],
)
def test_colours_are_exact(cell: Cell, expected: tuple[int, int, int], tmp_path: Path) -> None:
    assert colours_in(drawn([[Cell(), cell, Cell()]], tmp_path), 0, 1) == {expected}


def test_text_carries_its_colour_over_its_background(tmp_path: Path) -> None:
    found = colours_in(drawn([cells_of(" 国 ", fg="ff0000", bg="0000ff")], tmp_path), 0, 1, 2)
    assert {(255, 0, 0), (0, 0, 255)} <= found
    assert len(found) <= 4


def test_styles_change_the_look(tmp_path: Path) -> None:
    def weight(**style: bool) -> int:
        picture = drawn([cells_of("Wę国", **style)], tmp_path).convert("L")
        return sum(level * count for level, count in enumerate(picture.histogram()))

    plain = weight()
    assert weight(bold=True) > plain * 1.005
    assert weight(dim=True) < plain * 0.995
    assert weight(underline=True) > plain
    assert weight(reverse=True) > plain * 1.5
    italic = drawn([cells_of("|", italic=True)], tmp_path)
    upright = ink(drawn([cells_of("|")], tmp_path), 0, 0)
    leaning = ink(italic, 0, 0)
    assert upright is not None
    assert leaning is not None
    assert leaning[2] - leaning[0] > upright[2] - upright[0]


def test_an_unknown_character_is_an_empty_box(tmp_path: Path) -> None:
    assert lacks("☃")
    assert not lacks("　")
    assert ink(drawn([cells_of("☃")], tmp_path), 0, 0) is not None


def test_the_cursor_is_a_block(tmp_path: Path) -> None:
    assert colours_in(drawn([[Cell()] * 3], tmp_path, cursor=(0, 1)), 0, 1) == {FOREGROUND}


def test_more_colours_than_a_palette_holds_keep_the_flat_ones(tmp_path: Path) -> None:
    row = [Cell("█", f"{n:02x}{(n * 7) % 256:02x}40") for n in range(180)]
    picture = drawn([row], tmp_path)
    assert all(colours_in(picture, 0, n) == {(n, (n * 7) % 256, 64)} for n in range(180))


def test_a_screen_with_text_in_two_cells_of_five_stays_small(tmp_path: Path) -> None:
    rows = [[cell if x < 130 else Cell() for x, cell in enumerate(row)] for row in demo(160, 45)]
    filled = sum(cell.char not in ("", " ") for row in rows for cell in row)
    assert filled > 0.4 * 160 * 45
    draw(rows, tmp_path / "full.png")
    assert (tmp_path / "full.png").stat().st_size < 60 * filled
    with Image.open(tmp_path / "full.png") as picture:
        assert picture.mode == "P"


def test_the_demo_draws_itself(tmp_path: Path) -> None:
    file = tmp_path / "demo.png"
    done = subprocess.run(
        [sys.executable, "-m", "bench.picture", str(file), "--scale", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert all(len(row) == 160 for row in demo())
    with Image.open(file) as picture:
        assert picture.size == (1456, 826)

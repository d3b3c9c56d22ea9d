"""The console's few styles, made from the theme in use; colour only ever repeats what a letter or word says already."""

from rich.style import Style
from textual.theme import Theme

DARK = Theme(
    name="shipdeck",
    primary="#5fafd7",
    secondary="#87afaf",
    accent="#ffaf5f",
    warning="#e5c07b",
    error="#ff6b6b",
    success="#87d787",
    foreground="#d7dae0",
    background="#16191f",
    surface="#1d2129",
    panel="#262b35",
    dark=True,
)
LIGHT = Theme(
    name="shipdeck-light",
    primary="#005f87",
    secondary="#3a6b6b",
    accent="#af5f00",
    warning="#875f00",
    error="#c00020",
    success="#2e7d32",
    foreground="#20242b",
    background="#fafafa",
    surface="#eef0f3",
    panel="#e1e5ea",
    dark=False,
)


_made: dict[tuple[str, bool], dict[str, Style]] = {}


def styles_of(theme: Theme, colours: bool) -> dict[str, Style]:
    """Style name → rich style. Without colours (NO_COLOR) weight and reversal alone tell things apart."""
    key = (theme.name, colours)
    if key not in _made:
        _made[key] = _make(theme, colours)
    return _made[key]


def _make(theme: Theme, colours: bool) -> dict[str, Style]:
    if not colours:
        plain = Style()
        return {
            **dict.fromkeys(_NAMES, plain),
            "bold": Style(bold=True),
            "title": Style(bold=True),
            "bad": Style(bold=True),
            "key": Style(bold=True),
            "cursor": Style(reverse=True),
            "active": Style(reverse=True, bold=True),
            "band": Style(underline=True),
            "practice": Style(reverse=True, bold=True),
            "dim": Style(dim=True),
        }
    fore = theme.foreground or ("#d7dae0" if theme.dark else "#20242b")
    back = theme.background or ("#16191f" if theme.dark else "#fafafa")
    surface, panel = theme.surface or back, theme.panel or theme.surface or back
    dim = _mix(fore, back, 0.45)
    warning, error = theme.warning or fore, theme.error or fore
    success, accent = theme.success or fore, theme.accent or theme.primary
    cursor = _mix(theme.primary, back, 0.68)
    return {
        "text": Style(color=fore, bgcolor=back),
        "bold": Style(color=fore, bgcolor=back, bold=True),
        "dim": Style(color=dim, bgcolor=back),
        "title": Style(color=accent, bgcolor=back, bold=True),
        "bad": Style(color=error, bgcolor=back),
        "warn": Style(color=warning, bgcolor=back),
        "good": Style(color=success, bgcolor=back),
        "busy": Style(color=theme.primary, bgcolor=back),
        "mark": Style(color=accent, bgcolor=back, bold=True),
        "key": Style(color=accent, bgcolor=surface, bold=True),
        "head": Style(color=fore, bgcolor=panel),
        "head.dim": Style(color=_mix(fore, panel, 0.4), bgcolor=panel),
        "head.bad": Style(color=error, bgcolor=panel, bold=True),
        "head.warn": Style(color=warning, bgcolor=panel, bold=True),
        "head.bold": Style(color=fore, bgcolor=panel, bold=True),
        "tab": Style(color=_mix(fore, surface, 0.2), bgcolor=surface),
        "tab.bad": Style(color=error, bgcolor=surface),
        "active": Style(color=back, bgcolor=theme.primary, bold=True),
        "active.bad": Style(color=back, bgcolor=theme.primary, bold=True),
        "sub": Style(color=dim, bgcolor=back),
        "sub.on": Style(color=theme.primary, bgcolor=back, bold=True),
        "band": Style(color=_mix(fore, surface, 0.35), bgcolor=surface),
        "foot": Style(color=_mix(fore, surface, 0.15), bgcolor=surface),
        "cursor": Style(color=fore, bgcolor=cursor, bold=True),
        "cursor.bad": Style(color=error, bgcolor=cursor, bold=True),
        "cursor.mark": Style(color=accent, bgcolor=cursor, bold=True),
        "bar": Style(color=dim, bgcolor=back),
        "thumb": Style(color=theme.primary, bgcolor=back),
        "practice": Style(color=back, bgcolor=warning, bold=True),
        "gone": Style(color=_mix(fore, back, 0.65), bgcolor=back, strike=False),
        "ask": Style(color=fore, bgcolor=surface),
        "ask.title": Style(color=accent, bgcolor=surface, bold=True),
        "ask.dim": Style(color=_mix(fore, surface, 0.4), bgcolor=surface),
        "ask.bad": Style(color=error, bgcolor=surface),
        "ask.on": Style(color=back, bgcolor=theme.primary, bold=True),
    }


def _mix(colour: str, into: str, share: float) -> str:
    """A colour moved towards another by `share`."""
    a, b = _rgb(colour), _rgb(into)
    return "#" + "".join(f"{round(x + (y - x) * share):02x}" for x, y in zip(a, b, strict=True))


def _rgb(colour: str) -> tuple[int, int, int]:
    from textual.color import Color

    return Color.parse(colour).rgb


_NAMES = tuple(_make(DARK, True))

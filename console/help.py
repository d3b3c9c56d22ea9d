"""The help of a screen, made from the action table and the letters of the list."""

from collections.abc import Mapping, Sequence

from console.actions import ACTIONS, ALL, CONSOLE, Action, backward_of, forward_of, key_name
from console.cells import fit
from console.widgets.lines import Styled
from console.wording import STAGES
from domain.enums import Stage
from domain.words import _


def keys_of(keymap: Mapping[str, Action], action: Action) -> str:
    """The keys that mean an action, the letter first."""
    return " ".join(key_name(k) for k, a in keymap.items() if a.name == action.name)


def key_table(changed: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Every action with its keys, as `shipdeck config keys` and docs/keys.md show them: action, keys, title, help, command."""
    return [
        {
            "action": action.name,
            "keys": " ".join(key_name(k) for k in changed.get(action.name, action.keys)) or "F2",
            "title": action.title,
            "help": action.help,
            "command": action.name if action.command else action.sub,
        }
        for action in ALL.values()
    ]


def help_lines(keymap: Mapping[str, Action], stage: Stage | None) -> list[Styled]:
    """The keys of this screen, then what the letters in the list say."""
    lines: list[Styled] = []

    def title(text: str) -> None:
        if lines:
            lines.append(())
        lines.append(((f" {text}", "ask.title"),))

    def entry(keys: str, text: str, more: str = "") -> None:
        lines.append(((f"   {fit(keys, 14)} ", "ask.title"), (fit(text, 22), "ask"), (more, "ask.dim")))

    if stage is not None and stage is not Stage.CLOSED:
        title(_("What changes something on: {stage}").format(stage=STAGES[stage]))
        forward, backward = ALL[forward_of(stage, "all", "")], ALL[backward_of(stage)]
        entry(keys_of(keymap, ALL["forward"]), forward.title, forward.help)
        if stage is not Stage.REVIEW:
            entry(keys_of(keymap, ALL["backward"]), backward.title, backward.help)
        for action in ACTIONS:
            if stage in action.acts_in and action.name not in {forward.name, backward.name}:
                entry(keys_of(keymap, action) or "F2", action.title, action.help)
    title(_("Everywhere"))
    for action in CONSOLE:
        if action.name not in {"forward", "backward"}:
            entry(keys_of(keymap, action) or "F2", action.title, action.help)
    title(_("The four letters before the code"))
    for letters, text in (
        (
            "! R C H ? F U ~",
            _("needs a hand, refund, changed, held, unknown or unmatched, first import, unpaid, at work"),
        ),
        ("N n w", _("buyer's note unread, read; our remark")),
        ("m M /", _("same buyer and address elsewhere, merged, split")),
        ("W p P V S o", _("waybill, sent to the printer, printed, pushed early, label stale, out of stock")),
    ):
        entry(letters, "", text)
    lines.append(())
    for text in (
        _("Keys that only look act at once; keys that change something wait 40 ms."),
        _("Two keys within 40 ms are a scan, a paste or an input method, never commands."),
        _("No mark means the row under the cursor."),
    ):
        lines.append(((f"   {text}", "ask.dim"),))
    return lines

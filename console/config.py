"""`config.toml`: what belongs to this terminal, never to the shop: language, theme, its name, keys.

language = "zh"          # en, zh; else the locale's
theme = "shipdeck-light" # F2, Theme lists them
terminal = "bench-2"     # shown beside the person; else the host's name
operator = "anna"        # who was last at the keyboard

[keys]                   # keys of an action in place of its own, by the names of `shipdeck config keys`
approve = ["n"]
"""

import os
import tomllib
from pathlib import Path

from msgspec import Struct, field
from platformdirs import user_config_path

from domain.results import Refused
from domain.text import storable
from domain.words import _


class Config(Struct):
    """One terminal's settings, with the file they are kept in."""

    file: Path
    language: str = ""
    theme: str = ""
    terminal: str = ""
    operator: str = ""
    keys: dict[str, list[str]] = field(default_factory=dict)


def config_file() -> Path:
    """Where the file is: `SHIPDECK_CONFIG`, else the user's configuration folder."""
    named = os.environ.get("SHIPDECK_CONFIG")
    return Path(named) if named else user_config_path("shipdeck") / "config.toml"


def load(file: Path | None = None) -> Config | Refused:
    """Read the file (a missing one is an empty one); refused with the sentence that says what is wrong in it."""
    file = file or config_file()
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config(file)
    except (OSError, UnicodeDecodeError) as error:
        return Refused("bad_config", _("{file} cannot be read: {error}.").format(file=file, error=type(error).__name__))
    try:
        given = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Refused("bad_config", _("{file} is not TOML: {error}.").format(file=file, error=error))
    config = Config(file)
    for name, value in given.items():
        if name in {"language", "theme", "terminal", "operator"} and isinstance(value, str):
            setattr(config, name, value[:80])
        elif name == "keys" and isinstance(value, dict):
            for action, keys in value.items():
                wanted = [keys] if isinstance(keys, str) else keys
                if not isinstance(wanted, list) or not all(isinstance(k, str) and k for k in wanted):
                    return _wrong(file, f"keys.{action}")
                config.keys[action] = wanted
        else:
            return _wrong(file, name)
    if refused := check_keys(config):
        return refused
    return config


def configured_language() -> str:
    """The language alone, '' for none or an unreadable file (which `load` complains about)."""
    try:
        value = tomllib.loads(config_file().read_text(encoding="utf-8")).get("language", "")
    except (OSError, ValueError):
        return ""
    return value if isinstance(value, str) else ""


def _wrong(file: Path, name: str) -> Refused:
    return Refused(
        "bad_config", _("{file}: {name} is not known, or has another type.").format(file=file, name=name), name
    )


def check_keys(config: Config) -> Refused | None:
    """Every named action exists, and no key means two things."""
    from console.actions import ALL

    taken: dict[str, str] = {}
    for name in config.keys:
        if name not in ALL:
            return Refused(
                "bad_config", _("{file}: there is no action {name}.").format(file=config.file, name=name), name
            )
    for action in ALL.values():
        for key in config.keys.get(action.name, action.keys):
            if taken.get(key, action.name) != action.name:
                return Refused(
                    "bad_config",
                    _("{file}: the key {key} means both {one} and {other}.").format(
                        file=config.file, key=key, one=taken[key], other=action.name
                    ),
                    action.name,
                )
            taken[key] = action.name
    return None


def save(config: Config) -> Refused | None:
    """Write the file anew; refused where the folder cannot be written (the console goes on without)."""
    lines = [
        f"{name} = {_quoted(value)}"
        for name in ("language", "theme", "terminal", "operator")
        if (value := getattr(config, name))
    ]
    if config.keys:
        lines += ["", "[keys]", *(f"{name} = [{', '.join(map(_quoted, keys))}]" for name, keys in config.keys.items())]
    try:
        config.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = config.file.with_suffix(".part")
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
        partial.replace(config.file)
    except OSError as error:
        return Refused(
            "not_writable",
            _("{file} cannot be written: {error}.").format(file=config.file, error=error.strerror or "?"),
        )
    return None


def _quoted(text: str) -> str:
    """A TOML basic string; a name that is no proper text (a lone surrogate) is kept without what no file can hold."""
    escaped = storable(text).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'

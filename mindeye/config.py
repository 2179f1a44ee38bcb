"""Configurations: frozen dataclasses <- YAML file + command line; a misspelt key is refused."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro
import yaml
from pydantic import TypeAdapter, ValidationError

from mindeye.files import write_text

Config = TypeVar("Config")

# With a configuration that loads: the one of the message does not.
_LIST_KEYS = "`mindeye train train/configs/simulated.yaml --out RUN --keys`"


def from_mapping(kind: type[Config], values: Any, source: str) -> Config:
    """Builds a (nested) configuration from plain values.

    Raises:
        LookupError: an unknown key; the likely one is named.
        ValueError: a value of the wrong type or range.
    """
    if not isinstance(values, dict):
        raise ValueError(
            f"{source} holds {type(values).__name__}, not a table of keys. "
            f"Write `key: value` lines; {_LIST_KEYS} lists the keys."
        )
    _refuse_unknown_keys(kind, values, source, prefix="")
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        if "error" in first.get("ctx", {}):  # our own words, from a __post_init__
            raise ValueError(f"{source}: {first['ctx']['error']}") from error
        key = ".".join(str(part) for part in first["loc"])
        raise ValueError(
            f"{source}: `{key}` is {first['input']!r}: {first['msg'].lower()}. "
            f"Correct that line; {_LIST_KEYS} tells what the key takes."
        ) from error


def load_yaml(kind: type[Config], path: Path) -> Config:
    """Reads a configuration file; keys that it leaves out keep their defaults."""
    if not path.is_file():
        raise FileNotFoundError(f"No configuration at {path}. Examples are in train/configs/.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML ({error}). Correct it and rerun.") from error
    return from_mapping(kind, values, str(path))


def dump_yaml(config: Any, path: Path) -> None:
    """Writes the whole configuration, defaults included."""
    write_text(path, yaml.safe_dump(to_mapping(config), sort_keys=False))


def to_mapping(config: Any) -> dict[str, Any]:
    """Plain values of a configuration, as YAML and JSON hold them."""
    return TypeAdapter(type(config)).dump_python(config, mode="json")


def with_command_line(config: Config, arguments: Sequence[str], program: str) -> Config:
    """Overrides fields by `--a.b value`; prints help and exits on --help or a wrong option."""
    # Where a part is of one kind or another, the kind is the file's choice.
    kind = tyro.conf.AvoidSubcommands[type(config)]
    return tyro.cli(kind, default=config, args=list(arguments), prog=program)


def differences(ours: Any, theirs: Any, prefix: str = "") -> list[str]:
    """Keys at which two plain configurations differ, with both values."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        found = []
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            found += differences(ours.get(key), theirs.get(key), f"{prefix}{key}.")
        return found
    return [] if ours == theirs else [f"{prefix.rstrip('.')}: {ours!r} here, {theirs!r} there"]


def _refuse_unknown_keys(kind: Any, values: dict, source: str, prefix: str) -> None:
    fields = typing.get_type_hints(kind)
    for key, value in values.items():
        if key not in fields:
            close = difflib.get_close_matches(str(key), fields, n=1, cutoff=0)
            raise LookupError(
                f"Unknown config key `{prefix}{key}` in {source}. "
                f"Did you mean `{prefix}{close[0]}`?"
            )
        kinds = [part for part in _parts(fields[key]) if dataclasses.is_dataclass(part)]
        if kinds and isinstance(value, dict):
            # Of several kinds, the first that knows most of the keys is meant (as for pydantic).
            likeliest = max(kinds, key=lambda one: len(typing.get_type_hints(one).keys() & value))
            _refuse_unknown_keys(likeliest, value, source, f"{prefix}{key}.")


def _parts(hint: Any) -> tuple[Any, ...]:
    is_union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    return typing.get_args(hint) if is_union else (hint,)

"""Configurations: frozen dataclasses <- YAML file + command line; a misspelt key is refused."""

import contextlib
import dataclasses
import difflib
import io
import math
import types
import typing
from collections.abc import Iterator, Sequence
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

    Where a part is of one kind or another, its keys tell the kind: a wrong value never makes it
    another.

    Raises:
        LookupError: an unknown key; the likely one is named.
        ValueError: a value of the wrong type or range, or keys of several kinds in one part.
    """
    if not isinstance(values, dict):
        raise ValueError(
            f"{source} holds {type(values).__name__}, not a table of keys. "
            f"Write `key: value` lines; {_LIST_KEYS} lists the keys."
        )
    _refuse_unknown_keys(kind, values, source, prefix="")
    config = _built(kind, values, source, prefix="")
    require_finite(config, source)
    return config


def _built(kind: type[Config], values: dict, source: str, prefix: str) -> Config:
    """The configuration, with parts that are of one kind or another built first."""
    values = dict(values)
    hints = typing.get_type_hints(kind)
    for key, value in values.items():
        kinds = _kinds(hints[key])
        if kinds and isinstance(value, dict):
            values[key] = _built(_likeliest(kinds, value), value, source, f"{prefix}{key}.")
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join([*prefix.split(".")[:-1], *(str(part) for part in first["loc"])])
        if "error" in first.get("ctx", {}):  # our own words, from a __post_init__
            own = str(first["ctx"]["error"])
            # Such as `flip_chance is 2`, of which there are several.
            where = f"`{key}`: " if key and own[:1].islower() else ""
            raise ValueError(f"{source}: {where}{own}") from error
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
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML ({error}). Correct it and rerun.") from error
    return from_mapping(kind, values, str(path))


def dump_yaml(config: Any, path: Path) -> None:
    """Writes the whole configuration, defaults included."""
    write_text(path, yaml.safe_dump(to_mapping(config), sort_keys=False))


def to_mapping(config: Any) -> dict[str, Any]:
    """Plain values of a configuration, as YAML and JSON hold them."""
    return TypeAdapter(type(config)).dump_python(config, mode="json")


def with_command_line(config: Config, arguments: Sequence[str], program: str) -> Config:
    """Overrides fields by `--a.b value`; prints help and exits on --help.

    Raises:
        LookupError: an unknown option; the likely one is named.
        ValueError: a value of the wrong type or range.
    """
    # Where a part is of one kind or another, the kind is the file's choice.
    kind = tyro.conf.AvoidSubcommands[type(config)]
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            changed = tyro.cli(kind, default=config, args=list(arguments), prog=program)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise _as_sentence(stop, told.getvalue(), config, arguments, program) from stop
    require_finite(changed, "The command line")
    return changed


def require_finite(config: Any, source: str, prefix: str = "") -> None:
    """Refuses nan and infinity, which no setting means.

    Raises:
        ValueError: names the first key that holds one.
    """
    for one in dataclasses.fields(config):
        value = getattr(config, one.name)
        if dataclasses.is_dataclass(value):
            require_finite(value, source, f"{prefix}{one.name}.")
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError(
                    f"{source}: `{prefix}{one.name}` is {value}. Choose a finite number."
                )


def _as_sentence(
    stop: SystemExit, told: str, config: Any, arguments: Sequence[str], program: str
) -> LookupError | ValueError:
    """What tyro shows in a box, in two sentences."""
    # The first paragraph in the box; rules and sides are drawn with other characters than text.
    lines = [line.strip(" \t\u2502|") for line in told.splitlines()]
    is_rule = [not line.strip("-\u2500\u256d\u256e\u2570\u256f\u251c\u2524+ ") for line in lines]
    starts = is_rule.index(True) + 1 if True in is_rule else 0
    ends = is_rule.index(True, starts) if True in is_rule[starts:] else len(lines)
    text = " ".join(lines[starts:ends])
    unknown = [one.split("=")[0] for one in arguments if one.startswith("--") and one != "--"]
    known = list(_options(config))
    unknown = [one for one in unknown if one.replace("_", "-") not in known]
    if "Unrecognized" in told and unknown:
        part = unknown[0].rpartition(".")[0]
        if part in known:
            return LookupError(
                f"`{part.removeprefix('--')}` is left out of this configuration, so that "
                f"`{unknown[0]}` reaches nothing. Write that part into the YAML file."
            )
        close = difflib.get_close_matches(unknown[0], known, n=1, cutoff=0)
        return LookupError(f"Unknown option `{unknown[0]}`. Did you mean `{close[0]}`?")
    cause = stop.__context__
    while cause is not None and not isinstance(cause, ValueError):
        cause = cause.__context__
    if cause is not None and not text.startswith("Error parsing --"):
        return ValueError(str(cause))  # our own words, from a __post_init__
    return ValueError(
        f"{text.removesuffix('.')}. Correct it; `{program} --out RUN --keys` tells what each "
        "option takes."
    )


def _options(config: Any, prefix: str = "--") -> Iterator[str]:
    """Every option that overrides a field, and what switches one off."""
    for one in dataclasses.fields(config):
        name, value = one.name.replace("_", "-"), getattr(config, one.name)
        if dataclasses.is_dataclass(value):
            yield from _options(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
            if isinstance(value, bool):
                yield f"{prefix}no-{name}"


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
            _refuse_key(f"{prefix}{key}", [f"{prefix}{one}" for one in fields], source)
        kinds = _kinds(fields[key])
        if not kinds or not isinstance(value, dict):
            continue
        one = _likeliest(kinds, value)
        known = {name for each in kinds for name in typing.get_type_hints(each)}
        foreign = [name for name in value if name not in typing.get_type_hints(one)]
        if foreign and known.issuperset(foreign):
            raise ValueError(
                f"{source}: `{prefix}{key}` has {', '.join(map(str, value))}, and no kind of it "
                f"takes {foreign[0]} with the others. Keep the keys of one kind."
            )
        if not known & value.keys():
            # Nothing tells the kind: the likely key is sought in all of them.
            for name in value:
                found = [f"{prefix}{key}.{each}" for each in sorted(known)]
                _refuse_key(f"{prefix}{key}.{name}", found, source)
        _refuse_unknown_keys(one, value, source, f"{prefix}{key}.")


def _refuse_key(key: str, known: Sequence[str], source: str) -> typing.NoReturn:
    close = difflib.get_close_matches(key, known, n=1, cutoff=0)
    raise LookupError(f"Unknown config key `{key}` in {source}. Did you mean `{close[0]}`?")


def _kinds(hint: Any) -> list[Any]:
    """The configurations that a field may hold."""
    is_union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    parts = typing.get_args(hint) if is_union else (hint,)
    return [part for part in parts if dataclasses.is_dataclass(part)]


def _likeliest(kinds: Sequence[Any], values: dict) -> Any:
    """Of several kinds, the first that knows most of the keys is meant."""
    return max(kinds, key=lambda one: len(typing.get_type_hints(one).keys() & values))

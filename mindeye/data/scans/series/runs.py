"""Which files of an fMRIPrep folder belong to one run: series, brain mask, events, confounds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mindeye.data.scans.series.request import SeriesRequest

NONE = "none"
"""What stands for an entity that a file's name does not have."""
_SERIES = ("_desc-preproc_bold.nii.gz", "_desc-preproc_bold.nii")
_CONFOUNDS = ("_desc-confounds_timeseries.tsv", "_desc-confounds_regressors.tsv")
_EVENTS = ("_events.tsv",)
# Entities in which the runs of one scan must agree -> how to pick one.
_ALONE: Mapping[str, str] = {
    "sub": "Give the folder of one subject",
    "ses": "Give the folder of one session",
    "task": "Pick one with --task",
    "space": "Pick one with --space",
    "res": "Give a folder of one resolution",
    "echo": "Give a folder of combined echoes",
}
# What fMRIPrep adds to the name of a series.
_DERIVED = ("space", "res", "desc")


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """One run; all of its files exist but for the side-car."""

    series: Path
    sidecar: Path
    mask: Path
    events: Path
    confounds: Path
    number: int
    session: int | None
    """None where the name tells no session, or one that is no number."""

    @property
    def prefix(self) -> str:
        """Subject, session, task and space, as BIDS names begin."""
        entities = entities_of(self.series)
        return "_".join(f"{key}-{entities[key]}" for key in _ALONE if key in entities)


def entities_of(path: Path) -> dict[str, str]:
    """`sub-01_task-nsd_run-02_bold.nii.gz` -> sub, task and run with their labels."""
    parts = path.name.split(".")[0].split("_")
    return dict(part.split("-", 1) for part in parts if "-" in part)


def find_runs(folder: Path, request: SeriesRequest) -> tuple[RunFiles, ...]:
    """The runs of one subject, session, task and space, in their order.

    Raises:
        FileNotFoundError: no preprocessed series, or a run without mask, events or confounds.
        LookupError: no such space or task.
        ValueError: several subjects, sessions, tasks or spaces, or two files that could be meant.
    """
    files = sorted(path for path in folder.rglob("*") if path.name.endswith(_SERIES))
    if not files:
        raise FileNotFoundError(
            f"{folder} holds no time series in a volume that fMRIPrep preprocessed "
            f"(*{_SERIES[0]}). Give fMRIPrep's output folder."
        )
    for key in ("task", "space"):
        files = _picked(folder, files, key, getattr(request, key))
    for key, advice in _ALONE.items():
        labels = _labels(files, key)
        if len(labels) > 1:
            raise ValueError(
                f"{folder} holds {len(labels)} of `{key}`: {', '.join(labels)}. {advice}."
            )
    _refuse_twice(files)
    if request.events is not None and request.events.is_file() and len(files) > 1:
        raise ValueError(
            f"{request.events} is one table of events, but {folder} has {len(files)} runs. Give "
            "the raw BIDS folder with --events."
        )
    numbers = _numbers(files)
    ordered = sorted(files, key=lambda path: numbers[path])
    return tuple(_files_of(path, numbers[path], request.events) for path in ordered)


def _labels(files: Sequence[Path], key: str) -> list[str]:
    return sorted({entities_of(path).get(key, NONE) for path in files})


def _picked(folder: Path, files: Sequence[Path], key: str, label: str | None) -> list[Path]:
    if label is None:
        return list(files)
    kept = [path for path in files if entities_of(path).get(key, NONE) == label]
    if not kept:
        raise LookupError(
            f"{folder} has no time series of {key} {label}. Pick one of "
            f"{', '.join(_labels(files, key))}."
        )
    return kept


def _refuse_twice(files: Sequence[Path]) -> None:
    """A run that was preprocessed twice, into two folders, counts once."""
    first: dict[tuple, Path] = {}
    for path in files:
        identity = tuple(sorted(_identity(path).items()))
        if identity in first:
            raise ValueError(
                f"{first[identity]} and {path} are the same run. Give the folder of one of them."
            )
        first[identity] = path


def _numbers(files: Sequence[Path]) -> dict[Path, int]:
    """As the names tell them; where that does not tell runs apart, counted from 1 by name."""
    told = [_as_number(entities_of(path).get("run")) for path in files]
    if None in told or len(set(told)) < len(told):
        told = list(range(1, len(files) + 1))
    return dict(zip(files, told))


def _files_of(series: Path, number: int, events: Path | None) -> RunFiles:
    stem, dot, suffix = series.name.partition(".")
    mask = series.with_name(f"{stem.removesuffix('preproc_bold')}brain_mask{dot}{suffix}")
    if not mask.exists():
        raise FileNotFoundError(f"{mask} is missing, the brain mask of {series.name}. Fetch it.")
    confounds = _belonging(series, [series.parent], _CONFOUNDS)
    if confounds is None:
        raise FileNotFoundError(
            f"{series.parent} has no *{_CONFOUNDS[0]} of {series.name}. Fetch it: the betas are "
            "estimated with its motion parameters."
        )
    return RunFiles(
        series=series,
        sidecar=series.with_name(f"{stem}.json"),
        mask=mask,
        events=_events_of(series, events),
        confounds=confounds,
        number=number,
        session=_as_number(entities_of(series).get("ses")),
    )


def _events_of(series: Path, told: Path | None) -> Path:
    """The run's events: those that were named, or beside it, or in the raw data around it."""
    if told is not None and not told.exists():
        raise FileNotFoundError(f"{told} is missing. Give a raw BIDS folder with --events.")
    if told is not None and told.is_file():
        return told
    if told is not None:
        places = [told, *sorted(path for path in told.rglob("*") if path.is_dir())]
    else:
        entities = entities_of(series)
        person = [f"{key}-{entities[key]}" for key in ("sub", "ses") if key in entities]
        around = (parent.joinpath(*person, "func") for parent in series.parents)
        places = [series.parent, *around]
    found = _belonging(series, places, _EVENTS)
    if found is None:
        where = f"{told}" if told is not None else "beside it and in the raw data around it"
        raise FileNotFoundError(
            f"There is no *_events.tsv of {series.name} ({where}), so that nobody knows when "
            "images were shown. Name the raw BIDS folder with --events."
        )
    return found


def _belonging(series: Path, places: Sequence[Path], endings: tuple[str, ...]) -> Path | None:
    """The file of the same run in the first place that has one."""
    wanted = _identity(series)
    for place in places:
        files = sorted(place.iterdir()) if place.is_dir() else []
        found = [one for one in files if one.name.endswith(endings) and _identity(one) == wanted]
        if len(found) > 1:
            raise ValueError(
                f"{found[0]} and {found[1].name} are both of the run of {series.name}. Delete one."
            )
        if found:
            return found[0]
    return None


def _identity(path: Path) -> dict[str, str | int]:
    """Entities but for what preprocessing adds; `run-1` is `run-01`."""
    entities = {key: one for key, one in entities_of(path).items() if key not in _DERIVED}
    number = _as_number(entities.get("run"))
    return entities if number is None else {**entities, "run": number}


def _as_number(label: str | None) -> int | None:
    return int(label) if label is not None and re.fullmatch(r"\d+", label) else None

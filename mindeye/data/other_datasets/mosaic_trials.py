"""The trials of one subject in a MOSAIC file: all names and attributes first, betas one by one."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from jaxtyping import Bool, Float32, Int

from mindeye import mosaic_layout as layout
from mindeye.data.other_datasets.mosaic_table import StimulusTable
from mindeye.data.prepare import Progress

_EXAMPLES = 3


class MosaicTrials(NamedTuple):
    """In ascending order of image and repeat: the order of the scan was not published."""

    short: str
    names: list[str]
    image_ids: Int[np.ndarray, "trials"]
    repeats: Int[np.ndarray, "trials"]
    is_nan: Bool[np.ndarray, "grayordinates"]
    """Where some trial has no value."""
    facts: dict[str, str]
    """Root attributes."""


class _Found(NamedTuple):
    image_id: int
    repeat: int
    name: str


def find_trials(
    path: Path, subject: int, table: StimulusTable, *, artificial: bool, progress: Progress
) -> MosaicTrials:
    """Finds and checks all trials of a subject without reading a beta.

    Args:
        artificial: whether to take trials of pictures that are no photographs.

    Raises:
        FileNotFoundError: no such file.
        LookupError: the file holds nothing of this subject.
        ValueError: damaged, or contradicting itself or the table.
    """
    id_of = {name: image_id for image_id, name in enumerate(table.names)}
    found: list[_Found] = []
    is_nan = np.zeros(layout.NUM_GRAYORDINATES, dtype=bool)
    with opened(path) as file:
        betas = file["betas"]
        named = _trials_of_subject(path, list(betas), subject)
        _require_one_phase(path, named)
        for done, (name, said) in enumerate(named.items(), start=1):
            stored = betas[name]
            picture = _picture_of(path, name, said, stored)
            if picture not in id_of:
                raise ValueError(
                    f"{path}: {name} shows {picture}, which {table.path} does not have. "
                    "Does the table belong to this data set?"
                )
            image_id = id_of[picture]
            _require_phase(table, image_id, said)
            if artificial or not table.is_artificial[image_id]:
                found.append(_Found(image_id, said.repeat, name))
                is_nan[_nan_indices(path, name, stored)] = True
            progress("trials found", done, len(named))
        facts = {name: _text(value) for name, value in file.attrs.items()}
    found.sort()
    trials = MosaicTrials(
        next(iter(named.values())).short,
        [one.name for one in found],
        np.array([one.image_id for one in found], dtype=np.int64),
        np.array([one.repeat for one in found], dtype=np.int64),
        is_nan,
        facts,
    )
    _require_complete(path, trials, table, artificial)
    return trials


def read_betas(
    path: Path, trials: MosaicTrials, columns: Int[np.ndarray, "voxels"]
) -> Iterator[Float32[np.ndarray, "voxels"]]:
    """The betas of each trial at some grayordinates: one trial is in memory at a time.

    Raises:
        ValueError: damaged, or a value is missing where the file does not say so.
    """
    with opened(path) as file:
        for name in trials.names:
            betas = file["betas"][name][:][columns].astype(np.float32)
            bad = columns[~np.isfinite(betas)]
            if len(bad):
                raise ValueError(
                    f"{path}: {name} is NaN or infinite at {len(bad)} grayordinates that its "
                    f"nan_indices leave out, first {bad[:_EXAMPLES].tolist()}. Fetch it again."
                )
            yield betas


@contextlib.contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """A MOSAIC file, if it can be one.

    Raises:
        FileNotFoundError: no such file.
        ValueError: cut off, or another file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing. Fetch it from MOSAIC's folder of betas.")
    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get("betas"), h5py.Group):
                raise KeyError(f"it has {list(file)} and no group `betas`")
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(f"{path} cannot be read ({error}). Was its download cut off?") from error


def _trials_of_subject(path: Path, names: list[str], subject: int) -> dict[str, layout.TrialName]:
    """Name -> what it says, of one subject of one data set."""
    parsed = {name: layout.parse_trial(name) for name in names}
    unknown = [name for name, said in parsed.items() if said is None]
    if unknown:
        raise ValueError(
            f"{path}: {len(unknown)} of {len(names)} data sets of `betas` are not named as trials "
            f"are, first `{unknown[0]}`. Is this a file of MOSAIC?"
        )
    mine = {name: said for name, said in parsed.items() if said.subject == subject}
    if not mine:
        there = sorted({f"sub-{one.subject:02d}_{one.short}" for one in parsed.values()})
        raise LookupError(
            f"{path} holds nothing of subject {subject}; it has {', '.join(there) or 'no trial'}. "
            "Name one of these with --subject, or another file."
        )
    shorts = sorted({said.short for said in mine.values()})
    if len(shorts) > 1 or shorts[0] not in layout.SETS:
        raise ValueError(
            f"{path} holds trials of {', '.join(shorts)}; one of {', '.join(layout.SETS)} is "
            "needed. Was it merged? Take the subject's own file."
        )
    return mine


def _picture_of(path: Path, name: str, said: layout.TrialName, stored: h5py.Dataset) -> str:
    if stored.shape != (layout.NUM_GRAYORDINATES,) or stored.dtype.kind != "f":
        raise ValueError(
            f"{path}: {name} is {stored.dtype} {stored.shape}, but {layout.NUM_GRAYORDINATES} "
            "floating-point numbers are needed. Is this a file of MOSAIC?"
        )
    picture = _text(stored.attrs.get("presented_stimulus_filename", ""))
    if not picture:
        raise ValueError(
            f"{path}: {name} does not say which picture was shown (presented_stimulus_filename). "
            "Was the file written to its end?"
        )
    phase = _text(stored.attrs.get("phase", ""))
    if Path(picture).stem != said.stimulus or phase != said.phase:
        raise ValueError(
            f"{path}: {name} says of itself that it shows {picture} for {phase or 'nothing'}. "
            "Was the file renamed or merged?"
        )
    return picture


def _nan_indices(path: Path, name: str, stored: h5py.Dataset) -> Int[np.ndarray, "_"]:
    indices = np.asarray(stored.attrs.get("nan_indices", ())).reshape(-1)
    if not len(indices):
        return indices.astype(np.int64)
    if indices.dtype.kind not in "iu" or not 0 <= indices.min() <= indices.max() < stored.shape[0]:
        raise ValueError(
            f"{path}: nan_indices of {name} run from {indices.min()} to {indices.max()}, but there "
            f"are grayordinates 0 to {stored.shape[0] - 1}. Fetch the file again."
        )
    return indices.astype(np.int64)


def _require_one_phase(path: Path, named: dict[str, layout.TrialName]) -> None:
    phases = {
        phase: {said.stimulus for said in named.values() if said.phase == phase}
        for phase in ("train", "test")
    }
    both = sorted(phases["train"] & phases["test"])
    if both:
        raise ValueError(
            f"{path}: {len(both)} pictures stand in train and in test, first {both[:_EXAMPLES]}. "
            "Split by image, never by trial: was the file merged?"
        )


def _require_phase(table: StimulusTable, image_id: int, said: layout.TrialName) -> None:
    listed = "test" if table.is_test[image_id] else "train"
    if listed != said.phase:
        raise ValueError(
            f"{table.path} says that {table.names[image_id]} is for {listed}, the trials say "
            f"{said.phase}. Do table and file belong to one release?"
        )


def _require_complete(
    path: Path, trials: MosaicTrials, table: StimulusTable, artificial: bool
) -> None:
    """One trial for each repeat, and as many as the table counts."""
    keys = np.stack([trials.image_ids, trials.repeats])
    twice = np.flatnonzero((keys[:, 1:] == keys[:, :-1]).all(0))
    if len(twice):
        first = int(twice[0])
        raise ValueError(
            f"{path}: {trials.names[first]} and {trials.names[first + 1]} are the same repeat of "
            "one picture. Was the file merged with itself?"
        )
    taken = np.ones(len(table.names), dtype=bool) if artificial else ~table.is_artificial
    counts = np.bincount(trials.image_ids, minlength=len(taken))
    wrong = np.flatnonzero(taken & (counts != table.showings))
    if len(wrong):
        first = int(wrong[0])
        raise ValueError(
            f"{path} and {table.path} disagree on how often {len(wrong)} pictures were shown: "
            f"{table.names[first]} has {counts[first]} trials, but was shown "
            f"{table.showings[first]} times. Do they belong to one release?"
        )


def _text(value: object) -> str:
    if isinstance(value, bytes | np.bytes_):
        return bytes(value).decode("utf-8", "replace")
    return str(value)

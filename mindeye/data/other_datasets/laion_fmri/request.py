"""What to prepare: settings resolved against the files, all of them found before any writing."""

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from mindeye import laion_layout as layout
from mindeye.data.other_datasets.laion_fmri.betas import require_session
from mindeye.data.other_datasets.laion_fmri.pictures import Stimuli, find_stimuli, names_of_table
from mindeye.data.other_datasets.laion_fmri.published_splits import PublishedSplit, read_split
from mindeye.data.other_datasets.laion_fmri.regions import (
    Region,
    find_regions,
    read_region,
)
from mindeye.data.other_datasets.laion_fmri.trials import SessionTrials, read_trials
from mindeye.data.splits import split_images
from mindeye.data.zscore import ZSCORE_SCOPES
from mindeye.files import read_json

_LOG = logging.getLogger(__name__)


class Request(NamedTuple):
    """One subject's files, checked against each other."""

    root: Path
    settings: dict
    region: Region
    trials: dict[int, SessionTrials]
    betas: dict[int, Path]
    splits: dict[str, Int[np.ndarray, "_"]]
    image_names: dict[int, str]
    """Of the images in any split."""
    stimuli: Stimuli
    files: dict[str, Path]

    def image_ids(self, session: int) -> Int[np.ndarray, "trials"]:
        """Of every trial of a session; -1 where its row names no image."""
        labels = self.trials[session].labels
        ids = [-1 if label is None else image_id_of(label) for label in labels]
        return np.array(ids, dtype=np.int64)


def image_id_of(name: str) -> int:
    """48 bits of the name's SHA-256: neither sessions nor subjects nor tables change it."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big")


def resolve(
    root: Path,
    *,
    subject: int,
    roi: str,
    sessions: Sequence[int] | None,
    zscore: str,
    split: str | None,
    stimuli: Path | None,
    seed: int,
    validation_share: float,
) -> Request:
    """Finds and checks every file; what raises is said at `prepare_laion_fmri`."""
    layout.subject_name(subject)
    if zscore not in ZSCORE_SCOPES:
        raise LookupError(
            f"Unknown z-score scope `{zscore}`. Pick one of {', '.join(ZSCORE_SCOPES)}."
        )
    region = read_region(root, subject, roi)
    numbers = _sessions(root, subject, sessions)
    betas = {one: root / layout.betas_path(subject, one) for one in numbers}
    trials = {
        one: read_trials(root / layout.trials_path(subject, one), subject, one) for one in betas
    }
    for one, path in betas.items():
        require_session(path, region.mask.shape, region.affine, len(trials[one].labels))
    folder = root / layout.stimuli_folder() if stimuli is None else stimuli
    published = read_split(root, split, subject) if split else None
    if published:
        _require_known_images(published, folder / layout.STIMULI_TABLE, trials)
    names, splits = _assign(trials, published, seed, validation_share)
    found = find_stimuli(folder, names)
    settings = {
        **_settings_of_files(root, subject, trials),
        "roi": roi,
        "protocol": f"laion-{published.name}" if published else layout.DEFAULT_PROTOCOL,
        "zscore": zscore,
        "seed": seed,
        "validation_share": validation_share,
    }
    files = _files(root, subject, numbers) | found.files
    if published:
        files[f"split/{published.name}"] = published.path
    return Request(root, settings, region, trials, betas, splits, names, found, files)


def _settings_of_files(root: Path, subject: int, trials: dict[int, SessionTrials]) -> dict:
    """The part of the settings that is not chosen."""
    marker = root / layout.SIMULATED_FILE
    return {
        "dataset": layout.DATASET,
        "picture_set": layout.DATASET,
        "subject": subject,
        "space": layout.SPACE,
        "beta_version": layout.BETA_VERSION,
        "units": layout.UNITS,
        "sessions": list(trials),
        "unlabelled_trials": _count_unlabelled(root, trials),
        "simulated": read_json(marker) if marker.exists() else None,
    }


def _files(root: Path, subject: int, sessions: Sequence[int]) -> dict[str, Path]:
    """Path below the root -> file, of everything there that decides the contents."""
    paths = [
        *find_regions(root, subject).values(),
        *(root / layout.betas_path(subject, one) for one in sessions),
        *(root / layout.trials_path(subject, one) for one in sessions),
        root / layout.noise_ceiling_path(subject),
    ]
    return {path.relative_to(root).as_posix(): path for path in paths if path.exists()}


def _sessions(root: Path, subject: int, asked: Sequence[int] | None) -> list[int]:
    """Those asked for, or 1 up to the last that is there: a hole in the middle is refused later."""
    everything = range(1, layout.NUM_SESSIONS + 1)
    if asked is None:
        there = [one for one in everything if (root / layout.betas_path(subject, one)).exists()]
        if not there:
            raise FileNotFoundError(
                f"{root / layout.betas_path(subject, 1)} is missing, and so is every other "
                "session. Pass the folder that contains `derivatives`."
            )
        return list(range(1, max(there) + 1))
    numbers = sorted(int(one) for one in asked)
    if not numbers or len(set(numbers)) < len(numbers):
        raise ValueError(f"Sessions {numbers}: name each one once, and at least one.")
    unknown = [one for one in numbers if one not in everything]
    if unknown:
        raise LookupError(
            f"The main experiment has sessions 1 to {layout.NUM_SESSIONS}, not {unknown}. "
            "Later sessions have another design and are not read."
        )
    return numbers


def _assign(
    trials: dict[int, SessionTrials],
    published: PublishedSplit | None,
    seed: int,
    validation_share: float,
) -> tuple[dict[int, str], dict[str, Int[np.ndarray, "_"]]]:
    """Images in any split with their names, and the image ids of each split."""
    labels = sorted({label for one in trials.values() for label in one.labels if label})
    if published:
        labels = [one for one in labels if one in published.train or one in published.test]
        is_test = [one in published.test for one in labels]
    else:
        is_test = [one.startswith(layout.SHARED_PREFIX) for one in labels]
    names = {image_id_of(label): label for label in labels}
    if len(names) < len(labels):  # one chance in ten million
        raise ValueError("Two names of images have one image id. Prepare fewer sessions.")
    chosen: Bool[np.ndarray, images] = np.array(is_test, dtype=bool)
    ids = np.array([image_id_of(label) for label in labels], dtype=np.int64)
    splits = split_images(ids, chosen, seed=seed, validation_share=validation_share)
    return names, splits


def _require_known_images(
    published: PublishedSplit, table: Path, trials: dict[int, SessionTrials]
) -> None:
    """Refuses a split of other images, as far as the files at hand tell which there are.

    Raises:
        ValueError: names some of them.
    """
    if table.exists():
        known, where = set(names_of_table(table)), str(table)
    elif len(trials) == layout.NUM_SESSIONS:
        known = {label for one in trials.values() for label in one.labels if label}
        where = "any of the 30 sessions"
    else:
        return
    unknown = sorted((published.train | published.test) - known)
    if unknown:
        raise ValueError(
            f"{published.path} names {len(unknown)} images that are not in {where}, first "
            f"{unknown[:3]}. Is it of another release?"
        )


def _count_unlabelled(root: Path, trials: dict[int, SessionTrials]) -> int:
    count = sum(one.num_unlabelled for one in trials.values())
    if count:
        _LOG.warning(
            f"{root}: {count} trials name no image (the published tables have none such). They are "
            "in no split and in no statistics but those of `session-all`."
        )
    return count

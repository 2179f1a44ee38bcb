"""LAION-fMRI -> one prepared folder, like one of NSD: shards, voxel bundle, pictures, manifest.

Test images are by default the 1,492 that every subject saw (881 of them 12 times, 371 of them
unlike natural pictures), training images the 4,712 of one subject. Images are told apart by name.
The authors list a few own images that show nearly what a shared one shows (in
`scripts/splits/data/duplicate_groups.json`; 10 for subject 1): these stay in training.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int

import mindeye
from mindeye.data.bundle import VoxelBundle
from mindeye.data.other_datasets.laion_fmri.betas import read_betas
from mindeye.data.other_datasets.laion_fmri.regions import labels_of_voxels, read_ncsnr
from mindeye.data.other_datasets.laion_fmri.request import Request, resolve
from mindeye.data.picture_files import PICTURE_SIDE
from mindeye.data.prepare import Progress
from mindeye.data.protocols import transductive_steps
from mindeye.data.roi import coordinates_of
from mindeye.data.splits import SPLITS, VALIDATION_SHARE
from mindeye.data.subject_record import SubjectRecord, TrialRecord, write_record
from mindeye.data.zscore import (
    Statistics,
    in_session,
    pooled,
    require_usable,
    statistics_of,
    zscored,
)

Betas = Float32[np.ndarray, "trials voxels"]


def prepare_laion_fmri(
    root: Path | str,
    *,
    subject: int,
    out: Path | str,
    roi: str = "laiongeneral",
    sessions: Sequence[int] | None = None,
    zscore: str = "session-train",
    split: str | None = None,
    stimuli: Path | str | None = None,
    validation_share: float = VALIDATION_SHARE,
    seed: int = 0,
    progress: Progress | None = None,
) -> Path:
    """Prepares one subject for training; whole or not at all.

    Args:
        root: the folder that contains `derivatives`.
        roi: masks by label (`laiongeneral`, `V1v+V1d`), by set (`retinotopy`), or both
            (`retinotopy:V1v+V1d`).
        sessions: which of the 30; None takes 1 up to the last that is there.
        zscore: whose statistics, as in `prepare_nsd`.
        split: a published one by name (`tau`, `shared/ood`) or by path; None makes all shared
            images the test. Images in neither part of it are in no split.
        stimuli: folder of the pictures; None takes `stimuli` below the root.
        validation_share: of the images that are not the test; 0 gives no validation.
        seed: chooses the validation images.

    Raises:
        FileNotFoundError: a session, a table, masks, the split or a picture is missing.
        LookupError: unknown subject, session, ROI, scope or split.
        ValueError: damaged files, files that do not belong together, an image in two splits, too
            many voxels without data, or `out` holds something else.
        OSError: the disk is too small.
    """
    request = resolve(
        Path(root).expanduser(),
        subject=subject,
        roi=roi,
        sessions=sessions,
        zscore=zscore,
        split=split,
        stimuli=None if stimuli is None else Path(stimuli).expanduser(),
        seed=seed,
        validation_share=validation_share,
    )
    statistics: dict[int, Statistics] = {}
    shown = np.concatenate([request.image_ids(session) for session in request.trials])
    record = SubjectRecord(
        folder=request.root,
        settings=request.settings,
        transductive=transductive_steps(request.settings["protocol"], zscore),
        splits=request.splits,
        num_trials=int(np.isin(shown, list(request.image_names)).sum()),
        num_voxels=int(request.region.mask.sum()),
        side=PICTURE_SIDE,
        trials=partial(_trials, request, statistics, progress),
        pictures=request.stimuli.read,
        bundle=partial(_bundle, request, statistics),
        files=request.files,
        image_names=request.image_names,
    )
    return write_record(Path(out), record, progress)


def _trials(
    request: Request, statistics: dict[int, Statistics], progress: Progress | None
) -> Iterator[TrialRecord]:
    """Session by session: only one is in memory; fills `statistics` on the way.

    Trials are numbered, and repeats counted, over the sessions that are prepared.
    """
    scope = request.settings["zscore"]
    everything = _pooled_statistics(request, progress) if scope == "train-global" else None
    split_of = {one: split for split in SPLITS for one in request.splits[split].tolist()}
    seen: dict[int, int] = {}
    trial = 0
    for session, path in request.betas.items():
        betas = read_betas(path, request.region.mask)
        image_ids = request.image_ids(session)
        if everything is None:
            found = _session_statistics(request, betas, image_ids)
        else:
            found = in_session(everything, betas)
        require_usable(found, path.name)
        statistics[session] = found
        if scope != "none":
            zscored_in_place(betas, found)
        for row, image_id in enumerate(image_ids.tolist()):
            if image_id in split_of:
                repeat = seen[image_id] = seen.get(image_id, -1) + 1
                run = request.trials[session].runs[row]
                yield TrialRecord(
                    split_of[image_id], betas[row], image_id, session, run, trial + row, repeat
                )
        trial += len(betas)


def zscored_in_place(betas: Betas, statistics: Statistics) -> None:
    """`zscored`, some trials at a time: a second copy of a session is never in memory."""
    for start in range(0, len(betas), 64):
        block = slice(start, start + 64)
        betas[block] = zscored(betas[block], statistics)


def _session_statistics(
    request: Request, betas: Betas, image_ids: Int[np.ndarray, "trials"]
) -> Statistics:
    """Over the trials of training images, or all."""
    whose: Bool[np.ndarray, trials] = np.ones(len(betas), dtype=bool)
    if request.settings["zscore"] != "session-all":
        whose = np.isin(image_ids, request.splits["train"])
    return statistics_of(betas, whose)


def _pooled_statistics(request: Request, progress: Progress | None) -> Statistics:
    """Over the training trials of all sessions together."""
    parts, counts, done = [], [], 0
    total = sum(len(one.labels) for one in request.trials.values())
    for session, path in request.betas.items():
        count = num_train_trials(request, session)
        if count:
            betas = read_betas(path, request.region.mask)
            parts.append(_session_statistics(request, betas, request.image_ids(session)))
            counts.append(count)
        done += len(request.trials[session].labels)
        if progress:
            progress("statistics", done, total)
    return pooled(parts, counts)


def num_train_trials(request: Request, session: int) -> int:
    """How many trials of a session are written for training."""
    return int(np.isin(request.image_ids(session), request.splits["train"]).sum())


def _bundle(request: Request, statistics: dict[int, Statistics]) -> VoxelBundle:
    settings, region = request.settings, request.region
    ncsnr = read_ncsnr(request.root, settings["subject"], region)
    labels, names = labels_of_voxels(request.root, settings["subject"], region)
    mean = np.stack([one.mean for one in statistics.values()])
    num_train = [num_train_trials(request, session) for session in statistics]
    train_names = sorted(request.image_names[one] for one in request.splits["train"].tolist())
    num_voxels = int(region.mask.sum())
    return VoxelBundle(
        **{name: settings[name] for name in ("subject", "space", "roi", "beta_version", "zscore")},
        sessions=tuple(statistics),
        shape=region.mask.shape,
        affine=region.affine,
        coordinates=coordinates_of(region.mask),
        mean=mean,
        std=np.stack([one.std for one in statistics.values()]),
        mean_map=np.average(mean, axis=0, weights=num_train).astype(np.float32),
        ncsnr=np.full(num_voxels, np.nan, dtype=np.float32) if ncsnr is None else ncsnr,
        label_of_voxel=labels,
        label_names=names,
        units=settings["units"],
        provenance={
            "dataset": settings["dataset"],
            "num_train_trials": int(sum(num_train)),
            "train_images_sha256": hashlib.sha256("\n".join(train_names).encode()).hexdigest(),
            "unlabelled_trials": settings["unlabelled_trials"],
            "unusable_voxels": {
                str(session): int((~one.usable).sum()) for session, one in statistics.items()
            },
            "simulated": settings["simulated"],
            "mindeye_version": mindeye.__version__,
        },
    )

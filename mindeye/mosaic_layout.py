"""What MOSAIC's files hold: eight data sets in one layout, one HDF5 file a subject.

Root attributes (`subjectID`, `dataset_name`, `visual_angle`, `beta_pipeline`, ...); group `betas`
with one data set of 91,282 float64 for each trial, named as `trial_name` says, with the attributes
`nan_indices`, `phase`, `repetition` and `presented_stimulus_filename`; group `noiseceilings` with
data sets as `noise_ceiling_name` says, in percent, where the data set repeats images. The root
attribute `nan_indices_all` is not read: it can be made of the others, and what wrote it gave it a
Python set. The order in which trials were shown was not kept, nor their sessions and runs.

A table for each data set, `*_stiminfo.tsv`, has the columns `filename`, `alias`, `source`,
`test_train` and `sub-XX_reps` (how often each subject saw the picture).

Betas are z-scored (ddof 1) with the mean and standard deviation of the training trials of their
session, or group of sessions; NSD's synthetic images alone with those of their own session.

Source: blahner/mosaic-preprocessing `src/fmriDatasetPreparation/create_hdf5/create_hdf5_pkl.py`,
`.../organize_betas_*.py` (read: NSD and its synthetic images, BOLD5000, BMD, GOD, HAD, THINGS; not
read: deeprecon, NOD), `src/stimulusSetPreparation/extract_dataset_stiminfo`;
murtylab/mosaic-dataset `mosaic/constants.py`. No file of MOSAIC itself was at hand.
"""

import re
from typing import NamedTuple

NUM_GRAYORDINATES = 91_282
"""Of fsLR32k: 29,696 + 29,716 vertices of the left and right cortex, then 31,870 voxels below."""
NUM_CORTEX = 29_696 + 29_716
SPACE = "fsLR32k"


class MosaicSet(NamedTuple):
    """One of the eight data sets."""

    title: str
    """Name of its folder and of the attribute `dataset_name`."""
    num_subjects: int
    table: str
    is_film: bool = False
    """Films were shown: their pictures are frames that the user has chosen."""


SETS: dict[str, MosaicSet] = {
    "NSD": MosaicSet("NaturalScenesDataset", 8, "nsd_stiminfo.tsv"),
    "BOLD5000": MosaicSet("BOLD5000", 4, "b5000_stiminfo.tsv"),
    "BMD": MosaicSet("BOLDMomentsDataset", 10, "bmd_stiminfo.tsv", is_film=True),
    "GOD": MosaicSet("GenericObjectDecoding", 5, "god_stiminfo.tsv"),
    "deeprecon": MosaicSet("deeprecon", 3, "deeprecon_stiminfo.tsv"),
    "THINGS": MosaicSet("THINGS_fmri", 3, "things_stiminfo.tsv"),
    "NOD": MosaicSet("NaturalObjectDataset", 30, "nod_stiminfo.tsv"),
    "HAD": MosaicSet("HumanActionsDataset", 30, "had_stiminfo.tsv", is_film=True),
}
"""By the short name that file and trials carry."""
ARTIFICIAL_SOURCES = ("NSDsynthetic", "Artificial")
"""Of the table: pictures that are no photographs, always in the test."""

_TRIAL = re.compile(r"sub-(\d+)_([^_]+)_stimulus-(.+)_phase-(train|test)_rep-(\d+)")


class TrialName(NamedTuple):
    """What the name of a trial says."""

    subject: int
    short: str
    stimulus: str
    """The picture's file name without its extension."""
    phase: str
    repeat: int


def trial_name(trial: TrialName) -> str:
    """Such as `sub-01_NSD_stimulus-000000000009_phase-train_rep-0`."""
    return (
        f"sub-{trial.subject:02d}_{trial.short}_stimulus-{trial.stimulus}"
        f"_phase-{trial.phase}_rep-{trial.repeat}"
    )


def parse_trial(name: str) -> TrialName | None:
    """The inverse; None for other names."""
    found = _TRIAL.fullmatch(name)
    if found is None:
        return None
    subject, short, stimulus, phase, repeat = found.groups()
    return TrialName(int(subject), short, stimulus, phase, int(repeat))


def noise_ceiling_name(subject: int, short: str, phase: str) -> str:
    """Of single trials; `phase` is train, test or artificial."""
    return f"sub-{subject:02d}_{short}_phase-{phase}_n-1_noiseceiling"

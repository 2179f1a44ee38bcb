"""What the tables of THINGS-fMRI hold (Hebart et al. 2023, eLife 12:e82580): `betas_csv`.

`sub-XX_ResponseData.h5` is a pandas frame with a column `voxel_id` and one for each trial, written
by PyTables in its fixed format: a group with a block of floating-point numbers (voxels, trials) and
a block of whole numbers for `voxel_id`. The labels of the trials' columns are pickled there and are
not read: columns stand in the order of the table of trials. Betas are of time series that were
z-scored in each run, so they have no unit.

`sub-XX_StimulusMetadata.csv` has one row for each trial (`trial_type` train or test, `session`,
`run`, `subject_id`, `trial_id`, `stimulus`, `concept`), `sub-XX_VoxelMetadata.csv` one for each
voxel (`voxel_id`, `voxel_x`, `voxel_y`, `voxel_z`, noise ceilings in percent, 0 or 1 for each
region). Training pictures were shown once, test pictures in each of the 12 sessions.
`sub-XX_space-T1w_brainmask.nii.gz`, in a folder of its own, gives the grid.

Source: ViCCo-Group/THINGS-data `MRI/notebooks/fmri_usage.ipynb` (printed tables),
`MRI/thingsmri/dataset.py`, `MRI/thingsmri/betas.py`; the blocks of the h5 file: a public reader of
it (`f["ResponseData"]["block0_values"][:, trials]`), and a frame of that shape written with
pandas 3.1 and PyTables 3.11. No file of THINGS-fMRI itself was at hand.
"""

from pathlib import Path

NUM_SUBJECTS = 3
NUM_SESSIONS = 12
VOXEL_ID = "voxel_id"
COORDINATES = ("voxel_x", "voxel_y", "voxel_z")
NOISE_CEILING = "nc_singletrial"
"""In percent, from the test pictures: the only ones that were repeated."""
NO_REGIONS = frozenset(
    {
        *(VOXEL_ID, "subject_id", *COORDINATES, NOISE_CEILING, "nc_testset"),
        *("splithalf_uncorrected", "splithalf_corrected"),
        *("prf-eccentricity", "prf-polarangle", "prf-rsquared", "prf-size"),
    }
)
"""Columns of the table of voxels; all others are regions."""
VISUAL_REGIONS = (
    *("V1", "V2", "V3", "hV4", "VO1", "VO2", "LO1 (prf)", "LO2 (prf)", "TO1", "TO2", "V3a", "V3b"),
    *("lEBA", "rEBA", "lFFA", "rFFA", "lOFA", "rOFA", "lSTS", "rSTS", "lPPA", "rPPA"),
    *("lRSC", "rRSC", "lTOS", "rTOS", "lLOC", "rLOC", "IT"),
)
"""Regions from retinotopy and localizers."""


def responses_path(subject: int) -> Path:
    """Betas, a row a voxel."""
    return Path(f"sub-{subject:02d}_ResponseData.h5")


def trials_path(subject: int) -> Path:
    """One row a trial, in the order of the betas."""
    return Path(f"sub-{subject:02d}_StimulusMetadata.csv")


def voxels_path(subject: int) -> Path:
    """One row a voxel."""
    return Path(f"sub-{subject:02d}_VoxelMetadata.csv")


def brainmask_path(subject: int) -> Path:
    """The grid of the voxels."""
    return Path(f"sub-{subject:02d}_space-T1w_brainmask.nii.gz")

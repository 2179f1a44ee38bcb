"""Where the Natural Scenes Dataset keeps what, in which shape and unit.

Writer (`simulate`) and reader (`data`) of NSD trees share these facts and nothing else. Paths are
relative to the root of a tree.

Source: NSD Data Manual (cvnlab.slite.page), cvnlab/nsddatapaper `main/export.m` and
`main/analysis_surfaceroistovolume.m`, cvnlab/nsdcode `nsd_savenifti.m`.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int


def _numbered(names: str) -> dict[int, str]:
    """Names in one string -> {1: first, 2: second, ...}."""
    return dict(enumerate(names.split(), start=1))


NUM_IMAGES = 73_000
NUM_SUBJECTS = 8
IMAGES_PER_SUBJECT = 10_000
NUM_SHARED_IMAGES = 1_000
"""The first columns of `subjectim`: seen by every subject, in ascending order of image id."""
REPEATS_PER_IMAGE = 3

NUM_SESSIONS = 40
RUNS_PER_SESSION = 12
TRIALS_PER_RUN: tuple[int, ...] = (63, 62) * 6
TRIALS_PER_SESSION = 750
NUM_TRIALS = 30_000
SLOTS_PER_RUN = 75
"""Slots of 4 s in a run (`stimpattern`); the slots without a stimulus are rest."""
SESSIONS: dict[int, int] = {1: 40, 2: 40, 3: 32, 4: 30, 5: 40, 6: 32, 7: 40, 8: 30}
"""Acquired sessions by subject; papers before 2023-08-20 use three fewer."""

SPACE = "func1pt8mm"
VOXEL_SIZE_MM = 1.8
TR_S = 4 / 3
PSC_SCALE = 300
"""Files in volume spaces hold percent signal change times this, as int16."""
SCREEN_DEGREES = 8.4
"""Width and height of a picture in degrees of visual angle."""
BACKGROUND_GRAY = 127

VOLUME_SHAPES: dict[int, tuple[int, int, int]] = {
    1: (81, 104, 83),
    2: (82, 106, 84),
    3: (81, 106, 82),
    4: (85, 99, 80),
    5: (79, 97, 78),
    6: (85, 113, 83),
    7: (78, 95, 81),
    8: (80, 103, 78),
}
NSDGENERAL_VOXELS: dict[int, int] = {
    1: 15724,
    2: 14278,
    3: 15226,
    4: 13153,
    5: 13039,
    6: 17907,
    7: 12682,
    8: 14386,
}
"""Voxels with `nsdgeneral == 1` in func1pt8mm."""

BETA_VERSIONS: dict[str, str] = {
    "b1": "betas_assumehrf",
    "b2": "betas_fithrf",
    "b3": "betas_fithrf_GLMdenoise_RR",
}
HEMISPHERES = ("lh", "rh")

ROI_NOT_CORTEX = -1
"""Value of an ROI volume outside of the (hemisphere's) cortex; 0 is cortex without a label."""
ROI_LABELS: dict[str, dict[int, str]] = {
    "nsdgeneral": _numbered("nsdgeneral"),
    "prf-visualrois": _numbered("V1v V1d V2v V2d V3v V3d hV4"),
    "prf-eccrois": _numbered("ecc0pt5 ecc1 ecc2 ecc4 ecc4+"),
    "floc-faces": _numbered("OFA FFA-1 FFA-2 mTL-faces aTL-faces"),
    "floc-bodies": _numbered("EBA FBA-1 FBA-2 mTL-bodies"),
    "floc-places": _numbered("OPA PPA RSC"),
    "floc-words": _numbered("OWFA VWFA-1 VWFA-2 mfs-words mTL-words"),
    "streams": _numbered("early midventral midlateral midparietal ventral lateral parietal"),
    "Kastner2015": _numbered(
        "V1v V1d V2v V2d V3v V3d hV4 VO1 VO2 PHC1 PHC2 TO2 TO1 LO2 LO1 V3B V3A "
        "IPS0 IPS1 IPS2 IPS3 IPS4 IPS5 SPL1 FEF"
    ),
}
"""Atlas -> label -> name: what to fall back on where the `.mgz.ctab` is absent.

Kastner2015 from label 8 on is not confirmed: prefer the ctab.
"""

RESPONSE_COLUMNS: tuple[str, ...] = tuple(
    _numbered(
        "SUBJECT SESSION RUN TRIAL 73KID 10KID TIME ISOLD ISCORRECT RT CHANGEMIND MEMORYRECENT "
        "MEMORYFIRST ISOLDCURRENT ISCORRECTCURRENT TOTAL1 TOTAL2 BUTTON MISSINGDATA"
    ).values()
)
"""Of responses.tsv; SESSION, RUN, TRIAL, 73KID and 10KID count from 1."""

SIMULATED_FILE = "SIMULATED.json"
"""Stands at the root of trees that are made up, and says so."""


def subject_name(subject: int) -> str:
    """`subj01` for 1.

    Raises:
        LookupError: NSD has subjects 1 to 8.
    """
    if subject not in SESSIONS:
        raise LookupError(f"NSD has subjects 1 to {NUM_SUBJECTS}, not {subject}. Pick one of them.")
    return f"subj{subject:02d}"


def beta_folder(subject: int, beta_version: str = "b3", space: str = SPACE) -> Path:
    """Folder of one subject's betas.

    Raises:
        LookupError: unknown subject or beta version.
    """
    if beta_version not in BETA_VERSIONS:
        raise LookupError(
            f"Unknown beta version `{beta_version}`. NSD has {', '.join(BETA_VERSIONS)} "
            f"({BETA_VERSIONS['b3']} is b3, the usual one)."
        )
    name = subject_name(subject)
    return Path("nsddata_betas/ppdata") / name / space / BETA_VERSIONS[beta_version]


def betas_path(subject: int, session: int, extension: str, beta_version: str = "b3") -> Path:
    """One session's betas; extension `hdf5` or `nii.gz`.

    Raises:
        LookupError: unknown extension, subject or beta version.
    """
    if extension not in ("hdf5", "nii.gz"):
        raise LookupError(f"Betas come as hdf5 or nii.gz, not `{extension}`. Pick one of the two.")
    return beta_folder(subject, beta_version) / f"betas_session{session:02d}.{extension}"


def mean_beta_path(subject: int, beta_version: str = "b3") -> Path:
    """Mean over all trials; still times `PSC_SCALE`."""
    return beta_folder(subject, beta_version) / "meanbeta.nii.gz"


def ncsnr_path(subject: int, beta_version: str = "b3", space: str = SPACE) -> Path:
    """Noise-ceiling signal-to-noise ratio of each voxel; one file per beta version."""
    return beta_folder(subject, beta_version, space) / "ncsnr.nii.gz"


def functional_folder(subject: int, space: str = SPACE) -> Path:
    """Maps of one subject in functional space."""
    return Path("nsddata/ppdata") / subject_name(subject) / space


def roi_path(subject: int, atlas: str, hemisphere: str | None = None, space: str = SPACE) -> Path:
    """ROI volume of both hemispheres, or of `lh` or `rh`."""
    prefix = f"{hemisphere}." if hemisphere else ""
    return functional_folder(subject, space) / "roi" / f"{prefix}{atlas}.nii.gz"


def brainmask_path(subject: int) -> Path:
    """1 inside of the brain; betas are 0 elsewhere."""
    return functional_folder(subject) / "brainmask.nii.gz"


def mean_path(subject: int) -> Path:
    """Mean functional volume: the background of maps."""
    return functional_folder(subject) / "mean.nii.gz"


def valid_session_path(subject: int, session: int) -> Path:
    """1 where a voxel was inside of the scanned slab all through a session."""
    return functional_folder(subject) / f"valid_session{session:02d}.nii.gz"


def prf_path(subject: int, quantity: str) -> Path:
    """Population receptive fields: angle, eccentricity, exponent, gain, meanvol, R2 or size."""
    return functional_folder(subject) / f"prf_{quantity}.nii.gz"


def responses_path(subject: int) -> Path:
    """One row per acquired trial, in the order of the betas."""
    return Path("nsddata/ppdata") / subject_name(subject) / "behav" / "responses.tsv"


def expdesign_path() -> Path:
    """Which trial showed what."""
    return Path("nsddata/experiments/nsd/nsd_expdesign.mat")


def stim_info_path() -> Path:
    """One row per image."""
    return Path("nsddata/experiments/nsd/nsd_stim_info_merged.csv")


def stimuli_path() -> Path:
    """The pictures: data set `imgBrick` (images, side, side, 3)."""
    return Path("nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5")


def captions_path() -> Path:
    """{image id: caption}; ours, in simulated trees only."""
    return Path("nsddata_stimuli/stimuli/nsd/captions.json")


def ctab_path(subject: int, atlas: str) -> Path:
    """Names of an atlas's labels: lines of `label name`."""
    return label_folder(subject) / f"{atlas}.mgz.ctab"


def label_folder(subject: int | None) -> Path:
    """Atlases on the surface of one subject; None: on fsaverage, which all share."""
    name = "fsaverage" if subject is None else subject_name(subject)
    return Path("nsddata/freesurfer") / name / "label"


def functional_affine(shape: tuple[int, int, int]) -> Float[np.ndarray, "4 4"]:
    """The sform of every functional file: a placeholder, centred on the slab.

    It is registered to nothing: never resample NSD's functional files onto anatomy with it.
    """
    affine = np.diag([VOXEL_SIZE_MM] * 3 + [1.0])
    affine[:3, 3] = -(np.asarray(shape[:3]) - 1) / 2 * VOXEL_SIZE_MM
    return affine


def run_of_trial() -> Int[np.ndarray, "trials"]:
    """Run (1 to 12) of each of a session's 750 trials."""
    return np.repeat(np.arange(1, RUNS_PER_SESSION + 1), TRIALS_PER_RUN)

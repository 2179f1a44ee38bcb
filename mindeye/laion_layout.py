"""Where LAION-fMRI keeps what, under which names and in which shape.

Writer (`simulate`) and reader (`data`) share these facts and nothing else. Paths are relative to
the folder that holds `derivatives`. No file of the data set was at hand; each fact was read in its
own package, or in others' code that reads the public bucket:

- paths of betas, trial tables, noise ceilings and ROI masks: ViCCo-Group/LAION-fMRI,
  `laion_fmri/_paths.py`; ROI sets are folders, and labels have no hyphens (`laiongeneral`, `FFA1`).
  Others' code knows older copies with hyphens (`FFA-1`), so both are taken
- (143, 143, 143, trials) at 1.778 mm, NaN in some voxels, blank trials left out, runs 1 to 12:
  `docs/source/glmsingle_betas.rst`
- rows of a trial table (`ses-01`, run 1, index 0, name of the image) and noise ceilings up to
  95.076, as printed in `docs/source/auto_examples/plot_04_loading.rst`
- 30 sessions; 881 shared images shown 12 times, 611 shared and 4,712 own ones shown 4 times:
  `docs/source/experimental_design.rst`
- names that start with `shared_` or `unique_`, how each participant's end: `laion_fmri/subject.py`,
  `scripts/splits/stimuli.py`
- split files: `docs/source/train_test_splits.rst`, `laion_fmri/splits/__init__.py`
- pictures of 1000 x 1000, some of them RGBA, shown on gray 0.5: `docs/source/stimulus_data.rst`

Not verified: the number format of the betas (float32 by the 12 GB that `laion_fmri/io.py` names),
whether NIfTI files carry a scale (it is applied), and whether masks and betas have equal affines.
"""

from pathlib import Path
from types import MappingProxyType

DATASET = "laion-fmri"
SPACE = "T1w"
"""As in the names of the files, by which a scan is told to lie in the same space."""
BETA_VERSION = "TYPED_FITHRF_GLMDENOISE_RR"
"""The only one that is published; ridge regression shrank it, by another factor in each voxel."""
UNITS = "percent signal change, shrunk by ridge regression"
DEFAULT_PROTOCOL = "laion-shared"
"""All shared images are the test."""
PARTICIPANTS: MappingProxyType[int, str] = MappingProxyType(
    {1: "p01", 3: "p04", 5: "p03", 6: "p02", 7: "p05"}
)
"""Subject -> how the names of its own images end."""
NUM_SESSIONS = 30
"""Of the main experiment; later ones (eye tracking, supplements) have other designs."""
RUNS_PER_SESSION = 12
VOXEL_SIZE_MM = 1.778
BACKGROUND_GRAY = 127.5
"""Of 255: behind pictures with an alpha channel."""

TRIAL_COLUMNS = ("session", "run", "beta_index", "label")
SHARED_PREFIX, OWN_PREFIX = "shared_", "unique_"
SPLITS = (
    *("tau", "ood"),
    *(f"cluster_k5_{fold}" for fold in range(5)),
    *(f"random_{fold}" for fold in range(5)),
)
"""Published with the package, in `laion_fmri/splits/data/POOL/NAME.json`."""
SHARED_POOL = "shared"

STIMULI_ARCHIVE, STIMULI_TABLE = "task-images_stimuli.h5", "task-images_metadata.csv"
"""Encoded pictures (`images`, one array of bytes each) and their names, in the same order."""

SIMULATED_FILE = "SIMULATED.json"


def subject_name(subject: int) -> str:
    """`sub-01` for 1.

    Raises:
        LookupError: no such participant.
    """
    if subject not in PARTICIPANTS:
        raise LookupError(
            f"LAION-fMRI has subjects {', '.join(map(str, PARTICIPANTS))}, not {subject}. "
            "Pick one of them."
        )
    return f"sub-{subject:02d}"


def glm_folder(subject: int) -> Path:
    """All that was estimated of one subject."""
    return Path("derivatives/glmsingle-tedana") / subject_name(subject)


def betas_path(subject: int, session: int) -> Path:
    """A session's single-trial betas, one volume a trial."""
    name = "space-T1w_stat-effect_desc-SingletrialBetas_statmap.nii.gz"
    return _session_path(subject, session, name)


def trials_path(subject: int, session: int) -> Path:
    """What was shown in a session, one row a volume."""
    return _session_path(subject, session, "desc-SingletrialBetas_trials.tsv")


def noise_ceiling_path(subject: int) -> Path:
    """Percent of variance, for four repeats of an image over all sessions."""
    name = f"{subject_name(subject)}_task-images_space-T1w_desc-Noiseceiling4rep_statmap.nii.gz"
    return glm_folder(subject) / name


NOISE_CEILING_REPEATS = 4


def roi_folder(subject: int) -> Path:
    """Holds a folder of each set of ROIs (`retinotopy`, `face`, `body`, ...)."""
    return Path("derivatives/rois") / subject_name(subject)


def roi_name(subject: int, label: str) -> str:
    """Of a mask on the betas' grid; masks on the finer grid of localizers say `res-1pt5`."""
    return f"{subject_name(subject)}_space-T1w_res-1pt8_label-{label}_mask.nii.gz"


def label_of_roi(name: str, subject: int) -> str | None:
    """The label in a file name, without hyphens; None for files of another kind or subject."""
    head, tail = roi_name(subject, "\0").split("\0")
    if not (name.startswith(head) and name.endswith(tail)):
        return None
    return name[len(head) : -len(tail)].replace("-", "")


def stimuli_folder() -> Path:
    """Where the package puts what the access service hands out."""
    return Path("stimuli")


def split_path(pool: str, name: str) -> Path:
    """Below a copy of the package's `laion_fmri/splits/data`."""
    return Path(pool) / f"{name}.json"


def _session_path(subject: int, session: int, name: str) -> Path:
    subject_part, session_part = subject_name(subject), f"ses-{session:02d}"
    folder = glm_folder(subject) / session_part / "func"
    return folder / f"{subject_part}_{session_part}_task-images_{name}"

"""Where NSD keeps what of nsdsynthetic and nsdimagery, and what they are made of.

Writer and reader of trees share these facts, as they do those of `nsd_layout`.

Source: NSD Data Manual (cvnlab.slite.page), Functional data (nsdsynthetic), Functional data
(nsdimagery), Experiments; where it is silent, public readers of the files that agree.
"""

from pathlib import Path

from mindeye import nsd_layout as layout

OTHER_EXPERIMENTS: dict[str, int] = {"nsdsynthetic": 744, "nsdimagery": 720}
"""Experiments of one session each -> betas in it."""

NUM_SYNTHETIC_SHARED, NUM_SYNTHETIC_IMAGES = 220, 284
"""Images from `NUM_SYNTHETIC_SHARED` on are in colours that were chosen for each subject."""
SYNTHETIC_RUNS = 8

IMAGERY_RUNS: tuple[str, ...] = (
    *("visA", "attA", "imgA_1", "visB", "attB", "imgB_1"),
    *("visC", "attC", "imgC_1", "imgA_2", "imgB_2", "imgC_2"),
)
"""In the order of the scan: vision, attention or imagery, of set A, B or C.

Source: two independent public readers of NSD-Imagery; NSD's manual names the kinds only.
"""
IMAGERY_TRIALS_PER_RUN = 48


def imagery_runs() -> tuple[str, ...]:
    """Run of each of the 720 betas of nsdimagery.

    A trial of attention has two betas: for its cue and for its target.
    """
    return tuple(
        name
        for name in IMAGERY_RUNS
        for _ in range(IMAGERY_TRIALS_PER_RUN * (2 if name.startswith("att") else 1))
    )


def synthetic_design_path() -> Path:
    """Which trial of nsdsynthetic showed what; one file for all subjects."""
    return Path("nsddata/experiments/nsdsynthetic/nsdsynthetic_expdesign.mat")


def synthetic_stimuli_paths(subject: int) -> tuple[Path, Path]:
    """The 220 pictures that all saw, and the 64 in colours chosen for this subject."""
    folder = Path("nsddata_stimuli/stimuli/nsdsynthetic")
    name = layout.subject_name(subject)
    return folder / "nsdsynthetic_stimuli.hdf5", folder / f"nsdsynthetic_colorstimuli_{name}.hdf5"


def synthetic_names_path() -> Path:
    """Names and classes of the 284 pictures."""
    return Path("nsddata/experiments/nsdsynthetic/nsdsyntheticimageinformation.csv")


def imagery_responses_path(subject: int, run: str) -> Path:
    """One row per trial of one run, such as `visA`; in a folder of its own kind, `bdata`."""
    name = layout.subject_name(subject)
    return Path("nsddata/bdata/nsdimagery") / f"nsdimagery_{name}_{run}.tsv"


def imagery_pairs_path(name: str) -> Path:
    """Number, file and letter of each target of set `A`, `B` or `C`."""
    return Path("nsddata/experiments/nsdimagery") / f"{name}_pair_list.mat"


def imagery_picture_path(name: str, file: str) -> Path:
    """A target picture of one set."""
    return Path("nsddata/experiments/nsdimagery/rawtargetimages") / f"set{name}" / file

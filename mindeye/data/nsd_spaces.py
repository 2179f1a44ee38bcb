"""Facts of NSD beyond its main sessions in func1pt8mm: other spaces, other experiments.

Source: NSD Data Manual (cvnlab.slite.page), cvnlab/nsddatapaper `main/export.m`.
"""

from pathlib import Path
from typing import NamedTuple

from mindeye import nsd_layout as layout
from mindeye.nsd_experiments import OTHER_EXPERIMENTS

TEMPLATE_SPACE = "MNI"
"""What all subjects are brought to; 0 where a subject has no data, and no regions of NSD's own."""
VOLUME_SPACES: tuple[str, ...] = (layout.SPACE, "func1mm", TEMPLATE_SPACE)
"""Their files are int16, `PSC_SCALE` x percent signal change."""
SURFACE_SPACES: tuple[str, ...] = ("fsaverage", "nativesurface")
"""fsaverage holds percent signal change as float32; nativesurface is int16 like the volumes."""
FORMS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((layout.SPACE, "func1mm"), ("hdf5", "nii.gz")),
    TEMPLATE_SPACE: ("nii.gz",),
    "fsaverage": ("mgh",),
    "nativesurface": ("hdf5",),
}
"""Endings of the files of betas, the faster one first."""

FUNC1MM_SHAPES: dict[int, tuple[int, int, int]] = {
    1: (145, 186, 148),
    2: (146, 190, 150),
    3: (145, 190, 146),
    4: (152, 177, 143),
    5: (141, 173, 139),
    6: (152, 202, 148),
    7: (139, 170, 145),
    8: (143, 184, 139),
}
TEMPLATE_SHIFT_MM = (-91.0, -126.0, -72.0)
"""Of the affine of 1 mm in MNI, whose origin is voxel (92, 127, 73), counted from 1."""
FSAVERAGE_VERTICES = (163_842, 163_842)
NATIVE_VERTICES: dict[int, tuple[int, int]] = {
    1: (227021, 226601),
    2: (239633, 239309),
    3: (240830, 243023),
    4: (228495, 227262),
    5: (197594, 198908),
    6: (253634, 259406),
    7: (198770, 200392),
    8: (224364, 224398),
}
"""Left, right."""


class Session(NamedTuple):
    """One scan day: a numbered one of the main experiment, or the only one of another."""

    subject: int
    experiment: str = "nsd"
    number: int | None = None
    beta_version: str = "b3"

    def folder(self, space: str) -> Path:
        """Where its betas are.

        Raises:
            LookupError: unknown space, experiment, subject or version, or never made.
        """
        require_space(space)
        main = layout.beta_folder(self.subject, self.beta_version, space)
        if self.experiment == "nsd":
            if self.beta_version == "b1" and space == "func1mm":
                raise LookupError(
                    "NSD has no betas b1 (assumehrf) in func1mm. Take b2 or b3, or func1pt8mm."
                )
            return main
        trials_of_experiment(self.experiment)
        if self.beta_version == "b1":
            raise LookupError(f"NSD has no betas b1 of {self.experiment}. Take b2 or b3.")
        return main.with_name(f"{self.experiment}{main.name}")

    @property
    def stem(self) -> str:
        """Name of its files without hemisphere and ending."""
        if self.experiment == "nsd":
            return f"betas_session{self.number:02d}"
        return f"betas_{self.experiment}"

    def paths(self, space: str, form: str) -> tuple[Path, ...]:
        """Its one file; on surfaces its two, left then right.

        Raises:
            LookupError: the space has no such form, or as `folder`.
        """
        folder = self.folder(space)
        if form not in FORMS[space]:
            raise LookupError(
                f"Betas in {space} come as {' or '.join(FORMS[space])}, not `{form}`. "
                "Pick one of these, or `auto`."
            )
        sides = [f"{side}." for side in layout.HEMISPHERES] if space in SURFACE_SPACES else [""]
        return tuple(folder / f"{side}{self.stem}.{form}" for side in sides)


def session_paths(root: Path, session: Session, source: str, space: str) -> tuple[Path, ...]:
    """A session's file in a tree, or its two on surfaces; `auto` takes the first form there.

    Raises:
        FileNotFoundError: names the path.
        LookupError: unknown source, subject, version or space.
    """
    require_space(space)
    if source not in {"auto", *FORMS[layout.SPACE], *FORMS[space]}:
        known = ", ".join(("auto", *FORMS[space]))
        raise LookupError(f"Unknown source `{source}`. Pick one of {known}.")
    forms = FORMS[space] if source == "auto" else (source,)
    candidates = [tuple(root / path for path in session.paths(space, form)) for form in forms]
    for paths in candidates:
        if all(path.exists() for path in paths):
            return paths
    first = next(path for path in candidates[0] if not path.exists())
    other = f" (nor is there {candidates[1][0].name})" if len(candidates) > 1 else ""
    raise FileNotFoundError(
        f"{first} is missing{other}. Fetch it, or name the sessions that you have."
    )


def trials_of_experiment(experiment: str) -> int:
    """Betas of one of the `OTHER_EXPERIMENTS`.

    Raises:
        LookupError: no such experiment.
    """
    if experiment not in OTHER_EXPERIMENTS:
        raise LookupError(
            f"Unknown experiment `{experiment}`. Pick one of {', '.join(OTHER_EXPERIMENTS)}."
        )
    return OTHER_EXPERIMENTS[experiment]


def require_space(space: str) -> None:
    """Refuses unknown spaces.

    Raises:
        LookupError: says which ones there are.
    """
    if space not in FORMS:
        raise LookupError(f"Unknown space `{space}`. NSD's betas come in {', '.join(FORMS)}.")


def template_valid_path(session: Session) -> Path:
    """1 where a voxel of MNI has data all through a session of the main experiment."""
    folder = session.folder(TEMPLATE_SPACE)
    return folder / f"{session.stem.replace('betas', 'valid')}.nii.gz"


def surface_label_paths(subject: int, atlas: str, space: str) -> tuple[Path, Path]:
    """Atlas on the left and on the right surface."""
    folder = layout.label_folder(None if space == "fsaverage" else subject)
    left, right = (folder / f"{side}.{atlas}.mgz" for side in layout.HEMISPHERES)
    return left, right


def surface_ncsnr_paths(subject: int, beta_version: str) -> tuple[Path, Path]:
    """Noise-ceiling signal-to-noise ratio on fsaverage, left and right."""
    folder = layout.beta_folder(subject, beta_version, "fsaverage")
    left, right = (folder / f"{side}.ncsnr.mgh" for side in layout.HEMISPHERES)
    return left, right

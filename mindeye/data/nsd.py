"""An NSD tree on disk: what is there, and its parts as arrays."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int

from mindeye import nsd_layout as layout
from mindeye.data.betas import read_session
from mindeye.data.design import Design, read_design, require_same_images
from mindeye.data.nsd_spaces import (
    FORMS,
    SURFACE_SPACES,
    Session,
    session_paths,
    trials_of_experiment,
)
from mindeye.data.regions import (
    session_mask,
    surface_masks,
    volume_atlas,
    volume_atlases,
    volume_mask,
    volume_ncsnr,
)
from mindeye.data.roi import Atlas
from mindeye.data.surfaces import read_surface_session
from mindeye.data.synthetic_design import SyntheticDesign, read_synthetic_design
from mindeye.files import read_json
from mindeye.nsd_experiments import synthetic_design_path

SOURCES = ("auto", *FORMS[layout.SPACE])


class NSDTree:
    """Reads one tree, real or simulated; `root` is the folder that contains `nsddata`.

    Raises:
        FileNotFoundError: no NSD tree there.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = root = Path(root).expanduser()
        if (root / "nsddata").is_dir():
            return
        nearby = [path for path in (root.parent, *_folders(root)) if (path / "nsddata").is_dir()]
        guess = f" Did you mean {nearby[0]}?" if nearby else ""
        there = "holds no NSD tree" if root.is_dir() else "is no folder"
        raise FileNotFoundError(
            f"{root} {there}: looked for {root / 'nsddata'}. Pass the folder that contains "
            f"`nsddata`, `nsddata_betas` and `nsddata_stimuli`.{guess}"
        )

    def simulated(self) -> dict | None:
        """What SIMULATED.json says; None for a real recording."""
        path = self.root / layout.SIMULATED_FILE
        return read_json(path) if path.exists() else None

    def betas(
        self,
        subject: int,
        session: int,
        roi: str = "nsdgeneral",
        source: str = "auto",
        beta_version: str = "b3",
        space: str = layout.SPACE,
    ) -> Float32[np.ndarray, "trials voxels"]:
        """Percent signal change; voxels in C order of the (x, y, z) mask, trials as shown.

        On surfaces: vertices in ascending order, left hemisphere first. Those without data are NaN
        in fsaverage, 0 everywhere else.

        Args:
            roi: NSD has none in MNI; `valid` takes there what has data in this session.
            source: `auto`, or a form that the space has: hdf5 or nii.gz in volumes (nii.gz alone
                in MNI), mgh in fsaverage, hdf5 in nativesurface.

        Raises:
            FileNotFoundError: the session or the ROI is missing.
            LookupError: unknown subject, session, ROI label, source, version or space.
            ValueError: a damaged file, or files that do not belong together.
        """
        self.require_session(subject, session)
        design = read_design(self.root / layout.expdesign_path(), subject)
        found = Session(subject, number=session, beta_version=beta_version)
        return self._read(found, roi, source, space, len(design.trials_of(session)))

    def other_betas(
        self,
        experiment: str,
        subject: int,
        roi: str = "nsdgeneral",
        source: str = "auto",
        beta_version: str = "b3",
        space: str = layout.SPACE,
    ) -> Float32[np.ndarray, "trials voxels"]:
        """Like `betas`, of the only session of `nsdsynthetic` or `nsdimagery`."""
        num_trials = trials_of_experiment(experiment)
        found = Session(subject, experiment, beta_version=beta_version)
        return self._read(found, roi, source, space, num_trials)

    def _read(
        self, session: Session, roi: str, source: str, space: str, num_trials: int
    ) -> Float32[np.ndarray, "trials voxels"]:
        paths = self.paths_of(session, source=source, space=space)
        if space in SURFACE_SPACES:
            masks = self.surface_masks(session.subject, roi, space)
            return read_surface_session(paths, masks, num_trials)
        mask = session_mask(self.root, session, roi, space)
        return read_session(paths[0], mask, num_trials)

    def synthetic_design(self) -> SyntheticDesign:
        """What nsdsynthetic showed; its images are no NSD images."""
        return read_synthetic_design(self.root / synthetic_design_path())

    def image_ids(self, subject: int, session: int) -> Int[np.ndarray, "trials"]:
        """0-based NSD 73k ids in the order shown.

        Raises:
            FileNotFoundError: the design is missing.
            LookupError: unknown subject or session.
            ValueError: design and behavioural table disagree.
        """
        self.require_session(subject, session)
        design = self.design(subject)
        return design.image_ids[design.trials_of(session)]

    def design(self, subject: int) -> Design:
        """All planned trials, checked against the behavioural table where there is one."""
        layout.subject_name(subject)
        design = read_design(self.root / layout.expdesign_path(), subject)
        responses = self.root / layout.responses_path(subject)
        if responses.exists():
            require_same_images(responses, design)
        return design

    def require_session(self, subject: int, session: int) -> None:
        """Refuses sessions that were never acquired.

        Raises:
            LookupError: says how many there are.
        """
        layout.subject_name(subject)
        if not 1 <= session <= layout.SESSIONS[subject]:
            raise LookupError(
                f"{layout.subject_name(subject)} has sessions 1 to {layout.SESSIONS[subject]}, "
                f"not {session}. Pick one of them."
            )

    def session_path(
        self, subject: int, session: int, *, source: str = "auto", beta_version: str = "b3"
    ) -> Path:
        """A session's file in func1pt8mm; `auto` prefers hdf5, which is far faster.

        Raises:
            FileNotFoundError: names the path.
            LookupError: unknown source, subject or beta version.
        """
        found = Session(subject, number=session, beta_version=beta_version)
        return self.paths_of(found, source=source)[0]

    def paths_of(
        self, session: Session, *, source: str = "auto", space: str = layout.SPACE
    ) -> tuple[Path, ...]:
        """A session's file, or its two on surfaces.

        Raises:
            FileNotFoundError: names the path.
            LookupError: unknown source, subject, version or space.
        """
        return session_paths(self.root, session, source, space)

    def sessions(self, subject: int, *, beta_version: str = "b3") -> tuple[int, ...]:
        """Sessions 1 up to the last one that is there; a hole is refused.

        Raises:
            FileNotFoundError: names the first path that is missing.
        """
        present = self.present_sessions(subject, beta_version=beta_version)
        for session in range(1, max(present, default=1) + 1):
            if session not in present:
                self.session_path(subject, session, beta_version=beta_version)
        return present

    def present_sessions(
        self, subject: int, *, beta_version: str = "b3", space: str = layout.SPACE
    ) -> tuple[int, ...]:
        """Sessions with a file, holes or not; on surfaces either hemisphere counts."""
        layout.subject_name(subject)
        found = []
        for number in range(1, layout.SESSIONS[subject] + 1):
            session = Session(subject, number=number, beta_version=beta_version)
            paths = [path for form in FORMS[space] for path in session.paths(space, form)]
            if any((self.root / path).exists() for path in paths):
                found.append(number)
        return tuple(found)

    def atlas(self, subject: int, name: str, space: str = layout.SPACE) -> Atlas:
        """As `volume_atlas`."""
        return volume_atlas(self.root, subject, name, space)

    def atlases(
        self, subject: int, mask: Bool[np.ndarray, "x y z"], space: str = layout.SPACE
    ) -> dict[str, Atlas]:
        """As `volume_atlases`."""
        return volume_atlases(self.root, subject, mask, space)

    def mask(
        self, subject: int, roi: str = "nsdgeneral", space: str = layout.SPACE
    ) -> Bool[np.ndarray, "x y z"]:
        """As `volume_mask`."""
        return volume_mask(self.root, subject, roi, space)

    def surface_masks(
        self, subject: int, roi: str = "nsdgeneral", space: str = "fsaverage"
    ) -> tuple[Bool[np.ndarray, "left"], Bool[np.ndarray, "right"]]:
        """As `surface_masks` of `regions`."""
        return surface_masks(self.root, subject, roi, space)

    def ncsnr(
        self,
        subject: int,
        mask: Bool[np.ndarray, "x y z"],
        *,
        beta_version: str = "b3",
        space: str = layout.SPACE,
    ) -> Float32[np.ndarray, "voxels"] | None:
        """As `volume_ncsnr`; that of fsaverage: `surface_ncsnr`. Never of another beta version."""
        return volume_ncsnr(self.root, subject, mask, beta_version, space)

    def stimuli_path(self) -> Path:
        """Where the pictures are."""
        return self.root / layout.stimuli_path()

    def captions(self, image_ids: Sequence[int]) -> dict[int, str]:
        """Captions of some images where the tree has them; simulated trees do."""
        path = self.root / layout.captions_path()
        if not path.exists():
            return {}
        captions = read_json(path)
        return {
            int(image_id): captions[str(image_id)]
            for image_id in image_ids
            if str(image_id) in captions
        }


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []

"""An NSD tree on disk: what is there, and its parts as arrays."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int

from mindeye import nsd_layout as layout
from mindeye.data.betas import read_session
from mindeye.data.design import Design, read_design, require_same_images
from mindeye.data.roi import (
    Atlas,
    parse_roi,
    read_atlas,
    read_label_names,
    read_volume,
    roi_mask,
)
from mindeye.files import read_json

SOURCES = ("auto", "hdf5", "nii.gz")


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
    ) -> Float32[np.ndarray, "trials voxels"]:
        """Percent signal change; voxels in C order of the (x, y, z) mask, trials as shown.

        Raises:
            FileNotFoundError: the session or the ROI is missing.
            LookupError: unknown subject, session, ROI label, source or beta version.
            ValueError: a damaged file, or files that do not belong together.
        """
        self.require_session(subject, session)
        design = read_design(self.root / layout.expdesign_path(), subject)
        path = self.session_path(subject, session, source=source, beta_version=beta_version)
        return read_session(path, self.mask(subject, roi), len(design.trials_of(session)))

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
        """A session's file; `auto` prefers hdf5, which is far faster.

        Raises:
            FileNotFoundError: names the path.
            LookupError: unknown source, subject or beta version.
        """
        if source not in SOURCES:
            raise LookupError(f"Unknown source `{source}`. Pick one of {', '.join(SOURCES)}.")
        extensions = ("hdf5", "nii.gz") if source == "auto" else (source,)
        paths = [
            self.root / layout.betas_path(subject, session, extension, beta_version)
            for extension in extensions
        ]
        for path in paths:
            if path.exists():
                return path
        other = f" (nor is there {paths[1].name})" if len(paths) > 1 else ""
        raise FileNotFoundError(
            f"{paths[0]} is missing{other}. Fetch it, or name the sessions that you have."
        )

    def sessions(self, subject: int, *, beta_version: str = "b3") -> tuple[int, ...]:
        """Sessions 1 up to the last one that is there; a hole is refused.

        Raises:
            FileNotFoundError: names the first path that is missing.
        """
        layout.subject_name(subject)
        present = [
            session
            for session in range(1, layout.SESSIONS[subject] + 1)
            if any(
                (self.root / layout.betas_path(subject, session, extension, beta_version)).exists()
                for extension in ("hdf5", "nii.gz")
            )
        ]
        for session in range(1, max(present, default=1) + 1):
            if session not in present:
                self.session_path(subject, session, beta_version=beta_version)
        return tuple(present)

    def atlas(self, subject: int, name: str) -> Atlas:
        """One ROI volume with its names: from the tree's colour table, else from the manual.

        Raises:
            FileNotFoundError: no such atlas in this tree; says which ones are there.
        """
        path = self.root / layout.roi_path(subject, name)
        if not path.exists():
            files = sorted(file.name for file in path.parent.glob("*.nii.gz"))
            both = [file for file in files if not file.startswith(("lh.", "rh."))]
            there = [file.removesuffix(".nii.gz") for file in both]
            close = difflib.get_close_matches(name, there, n=1)
            guess = f" Did you mean `{close[0]}`?" if close else ""
            raise FileNotFoundError(
                f"{path} is missing; this tree has {', '.join(there) or 'no atlas'}.{guess}"
            )
        ctab = self.root / layout.ctab_path(subject, name)
        names = read_label_names(ctab) if ctab.exists() else layout.ROI_LABELS.get(name, {})
        return read_atlas(path, name, names)

    def atlases(self, subject: int, mask: Bool[np.ndarray, "x y z"]) -> dict[str, Atlas]:
        """Every atlas of NSD's manual that this tree has, on the grid of the mask.

        Raises:
            ValueError: another grid.
        """
        names = [
            name
            for name in layout.ROI_LABELS
            if (self.root / layout.roi_path(subject, name)).exists()
        ]
        atlases = {name: self.atlas(subject, name) for name in names}
        for name, atlas in atlases.items():
            if atlas.values.shape != mask.shape:
                raise ValueError(
                    f"Atlas `{name}` has grid {atlas.values.shape}, but the mask has {mask.shape}. "
                    "Does it belong to another subject or space?"
                )
        return atlases

    def mask(self, subject: int, roi: str = "nsdgeneral") -> Bool[np.ndarray, "x y z"]:
        """An atlas, or some of its labels: `nsdgeneral`, `prf-visualrois:V1v+V1d`.

        Raises:
            ValueError: no voxel of this subject.
            LookupError: the atlas has no such label.
        """
        name, labels = parse_roi(roi)
        mask = roi_mask(self.atlas(subject, name), labels)
        if not mask.any():
            raise ValueError(
                f"`{roi}` has no voxel in {layout.subject_name(subject)}. "
                "Not every subject has every region: choose another one."
            )
        return mask

    def ncsnr(
        self, subject: int, mask: Bool[np.ndarray, "x y z"], *, beta_version: str = "b3"
    ) -> Float32[np.ndarray, "voxels"] | None:
        """Noise-ceiling signal-to-noise ratio of the masked voxels, where the tree has it."""
        path = self.root / layout.ncsnr_path(subject, beta_version)
        if not path.exists():
            return None
        values, _ = read_volume(path)
        if values.shape != mask.shape:
            raise ValueError(
                f"{path} has grid {values.shape}, but the mask has {mask.shape}. "
                "Does it belong to another subject or space?"
            )
        return values[mask].astype(np.float32)

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

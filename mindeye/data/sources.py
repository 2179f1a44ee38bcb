"""Which files of a tree a prepared folder was made of, so that another tree is told apart."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from mindeye import nsd_layout as layout
from mindeye.data.nsd import NSDTree
from mindeye.data.roi import parse_roi
from mindeye.files import fingerprint_of


def sources_of(tree: NSDTree, settings: Mapping) -> dict[str, str]:
    """Path in the tree -> fingerprint, of everything there that can decide what is prepared.

    Both forms of a session where both are there: which one is read changes nothing.
    """
    subject, version = settings["subject"], settings["beta_version"]
    paths = [
        layout.expdesign_path(),
        layout.responses_path(subject),
        layout.stimuli_path(),
        layout.captions_path(),
        *region_paths(subject, version, settings["roi"]),
        *(
            layout.betas_path(subject, session, extension, version)
            for session in settings["sessions"]
            for extension in ("hdf5", "nii.gz")
        ),
    ]
    return fingerprints_of(tree.root, paths)


def region_paths(subject: int, version: str, roi: str) -> list[Path]:
    """Files that decide the voxels and what is known of them."""
    atlases = sorted({parse_roi(roi)[0], *layout.ROI_LABELS})
    return [
        layout.ncsnr_path(subject, version),
        *(layout.roi_path(subject, atlas) for atlas in atlases),
        *(layout.ctab_path(subject, atlas) for atlas in atlases),
    ]


def fingerprints_of(root: Path, paths: Iterable[Path]) -> dict[str, str]:
    """Path -> fingerprint, of those that are there."""
    return {
        path.as_posix(): fingerprint_of(root / path) for path in paths if (root / path).is_file()
    }


def require_same_sources(out: Path, tree: NSDTree, manifest: Mapping) -> None:
    """Refuses a tree with other contents; one that moved, or lacks a form, is the same.

    Raises:
        ValueError: names the files that differ.
    """
    known, found = manifest.get("sources", {}), sources_of(tree, manifest)
    require_known_files(out, f"tree than {tree.root}", known, found)


def require_known_files(
    out: Path, place: str, known: Mapping[str, str], found: Mapping[str, str]
) -> None:
    """Refuses files with other contents than those that `out` was prepared from.

    Args:
        place: such as `tree than ROOT`.

    Raises:
        ValueError: names the files that differ.
    """
    differing = [path for path in found if known.get(path, found[path]) != found[path]]
    if differing:
        raise ValueError(
            f"{out} was prepared from another {place} "
            f"({', '.join(differing[:3])} differ). Choose another folder, or delete this one."
        )

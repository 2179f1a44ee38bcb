"""`mindeye convert`: a published checkpoint -> a run folder, and back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mindeye import nsd_layout
from mindeye.config import to_mapping
from mindeye.data.bundle import VoxelBundle
from mindeye.data.unknown_voxels import bundle_of_unknown_voxels
from mindeye.disk import require_free_space, unwritten
from mindeye.files import atomic_folder, atomic_path, holds_something, sha256_of
from mindeye.models.architecture import write_architecture
from mindeye.models.checkpoint.file import open_checkpoint
from mindeye.models.checkpoint.weights import Checkpoint
from mindeye.models.decoder import Decoder
from mindeye.models.published import (
    decoder_from_mindeye1,
    decoder_from_mindeye2,
    to_mindeye1,
    to_mindeye2,
)
from mindeye.models.published.mindeye1 import split_low_level
from mindeye.models.saved import ARCHITECTURE_FILE, load_decoder
from mindeye.quirks import Quirks
from mindeye.run import RunFolder

FAMILIES = ("mindeye1", "mindeye2")
MASK_UNKNOWN = (
    "The checkpoint tells how many voxels it takes, not which. {what} "
    "Order, statistics and z-scoring are not in the file either."
)
LIKE_NSDGENERAL = (
    "There are as many as NSD's nsdgeneral has for this subject, so they are probably its voxels "
    "in C order of the (x, y, z) mask."
)
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class ConversionConfig:
    """What a converted run holds in the place of a training's configuration."""

    family: str
    subjects: tuple[int, ...]
    file: str
    low_level: str | None


def convert_checkpoint(
    family: str,
    file: Path,
    *,
    subjects: Sequence[int],
    out: Path,
    low_level: Path | None = None,
    keep_idle: bool = False,
    progress: Progress | None = None,
) -> RunFolder:
    """Writes the run folder of a published checkpoint, whole or not at all.

    Args:
        subjects: whose ridge layers the checkpoint has, in its order.
        low_level: MindEye1's second checkpoint, which gives the blurry reconstruction.
        keep_idle: whether to keep MindEye2's mixer weights that no output depends on.

    Raises:
        FileNotFoundError: no checkpoint there.
        LookupError: an unknown family or subject; keys that are missing or unknown.
        ValueError: a damaged or poisoned file, another family, misshapen weights, the voxels of
            another subject, or `out` is taken.
    """
    report = progress or (lambda stage, done, total: None)
    _require_usable(family, subjects, low_level, keep_idle, out)
    opened = [open_checkpoint(path) for path in (file, low_level) if path]
    decoder = _decoder(family, opened, subjects, keep_idle)
    require_free_space(out, sum(one.weights.num_bytes for one in opened), "The converted run")
    provenance = _provenance(family, opened, decoder, report)
    config = ConversionConfig(
        family=family,
        subjects=tuple(subjects),
        file=file.name,
        low_level=low_level.name if low_level else None,
    )
    report("write", 0, 1)
    with atomic_folder(out) as temporary:
        run = RunFolder(path=temporary)
        run.begin(config, provenance)
        write_architecture(temporary / ARCHITECTURE_FILE, decoder.architecture)
        for subject, num_voxels in decoder.architecture.num_voxels_of.items():
            converted_bundle(subject, num_voxels).save(
                temporary / "bundle" / nsd_layout.subject_name(subject)
            )
        run.finish(decoder.state_dict())
    report("write", 1, 1)
    return RunFolder(path=out)


def export_run(run: Path, family: str, out: Path | None = None) -> tuple[Path, ...]:
    """Writes a run's weights under the published keys, as `torch.save` files.

    Args:
        out: default: RUN/mindeye1.pth or RUN/mindeye2.pth.

    Returns:
        The files; MindEye1's low-level weights have one of their own.

    Raises:
        LookupError: an unknown family.
        ValueError: a run that this family cannot hold.
        FileNotFoundError: no run, or an unfinished one.
    """
    _require_family(family)
    decoder = load_decoder(run)
    state = to_mindeye1(decoder) if family == "mindeye1" else to_mindeye2(decoder)
    path = out or run / f"{family}.pth"
    content_of = {path: state}
    if family == "mindeye1" and decoder.low_level:
        beside = path.with_name(f"{path.stem}_low_level{path.suffix}")
        content_of[path], content_of[beside] = split_low_level(state)
    taken = [one for one in content_of if one.exists()]
    if taken:
        raise ValueError(f"{taken[0]} is there already. Move it, or give another --out.")
    epoch = RunFolder(path=run).provenance().get("converted", {}).get("epoch")
    for one, weights in content_of.items():
        _save(one, {"epoch": epoch, "model_state_dict": weights})
    return tuple(content_of)


def converted_bundle(subject: int, num_voxels: int) -> VoxelBundle:
    """What a checkpoint tells of its voxels."""
    is_nsdgeneral = num_voxels == nsd_layout.NSDGENERAL_VOXELS[subject]
    return bundle_of_unknown_voxels(
        num_voxels,
        subject=subject,
        space=nsd_layout.SPACE,
        roi="nsdgeneral" if is_nsdgeneral else "unknown",
        beta_version="unknown",
        zscore="unknown",
        provenance={"mask": _about_voxels(subject, num_voxels)},
    )


def _about_voxels(subject: int, num_voxels: int) -> str:
    expected = nsd_layout.NSDGENERAL_VOXELS[subject]
    other = f"NSD's nsdgeneral has {expected} for this subject, so it is another ROI."
    return MASK_UNKNOWN.format(what=LIKE_NSDGENERAL if num_voxels == expected else other)


def _require_usable(
    family: str, subjects: Sequence[int], low_level: Path | None, keep_idle: bool, out: Path
) -> None:
    _require_family(family)
    for subject in subjects:
        nsd_layout.subject_name(subject)
    if len(set(subjects)) != len(subjects) or (family == "mindeye1" and len(subjects) != 1):
        raise ValueError(
            f"Subjects {list(subjects)} cannot be those of a {family} checkpoint. Name each once, "
            "in the order of its ridge layers; MindEye1 has one."
        )
    if low_level and family != "mindeye1":
        raise ValueError(
            "A MindEye2 checkpoint holds its low-level head itself. Leave --low-level out."
        )
    if keep_idle and family != "mindeye2":
        raise ValueError(
            "A MindEye1 checkpoint has no idle weights: all its blocks are at work. "
            "Leave --keep-idle out."
        )
    if holds_something(out):
        raise ValueError(f"{out} is not empty. Choose another folder for the converted run.")


def _require_family(family: str) -> None:
    if family not in FAMILIES:
        raise LookupError(
            f"Unknown family `{family}`. There are {', '.join(FAMILIES)} and, of generators, "
            "unclip."
        )


def _decoder(
    family: str, opened: list[Checkpoint], subjects: Sequence[int], keep_idle: bool
) -> Decoder:
    weights = [one.weights for one in opened]
    if family == "mindeye1":
        return decoder_from_mindeye1(*weights, subject=subjects[0])
    return decoder_from_mindeye2(*weights, subjects=tuple(subjects), keep_idle_mixer=keep_idle)


def _provenance(family: str, opened: list[Checkpoint], decoder: Decoder, report: Progress) -> dict:
    files = [path for one in opened for path in one.files]
    about = []
    for done, path in enumerate(files):
        report("checksum", done, len(files))
        size = path.stat().st_size
        about.append({"name": path.name, "num_bytes": size, "sha256": sha256_of(path)})
    report("checksum", len(files), len(files))
    num_voxels_of = decoder.architecture.num_voxels_of
    converted = {
        "family": family,
        "files": about,
        "epoch": opened[0].epoch,
        "subjects": list(num_voxels_of),
        "num_voxels_of": {str(subject): count for subject, count in num_voxels_of.items()},
        "voxels": {str(one): _about_voxels(one, count) for one, count in num_voxels_of.items()},
    }
    quirks = to_mapping(Quirks(compat=family).resolved())
    return {"converted": converted, "quirks": quirks, "data": [], "networks": None}


def _save(path: Path, content: Mapping[str, object | Mapping[str, Tensor]]) -> None:
    with atomic_path(path) as temporary:
        try:
            torch.save(dict(content), temporary)
        except RuntimeError as error:  # torch's own writer hides the system's error
            raise unwritten(path, error) from error

"""Opens a run folder with everything that its verbs need."""

from dataclasses import dataclass
from pathlib import Path

import torch

from mindeye.data.batches import PreparedSubject
from mindeye.models.decoder import Decoder
from mindeye.models.saved import load_decoder
from mindeye.reconstruction.generators.scenes import load_scenes_generator
from mindeye.reconstruction.pipeline import Artist
from mindeye.run import RunFolder
from mindeye.targets.cache import TargetTable, target_table
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae


@dataclass(frozen=True, kw_only=True)
class OpenRun:
    """A finished run, one of its subjects, and that subject's targets."""

    folder: RunFolder
    decoder: Decoder
    prepared: PreparedSubject
    targets: TargetTable
    provenance: dict

    @property
    def about(self) -> dict:
        """What every artefact of this run repeats."""
        return {
            "run": str(self.folder.path),
            "subject": self.prepared.subject,
            "protocol": self.prepared.manifest["protocol"],
            "roi": self.prepared.manifest["roi"],
            "voxel_hash": self.prepared.manifest["voxel_hash"],
            "simulated": self.prepared.manifest["simulated"],
        }


def open_run(
    path: Path, *, subject: int | None = None, data: Path | None = None, device: str = "cpu"
) -> OpenRun:
    """Opens a run for one subject, by default its first.

    Args:
        data: the subject's prepared folder, where it has moved since training.

    Raises:
        FileNotFoundError: no run, an unfinished one, or its prepared folder is gone.
        LookupError: a subject that the run was not trained on.
        ValueError: the voxels differ from those of the training.
    """
    folder = RunFolder(path=path)
    folder.require_finished()
    provenance = folder.provenance()
    trained = {one["subject"]: index for index, one in enumerate(provenance["data"])}
    subject = subject if subject is not None else next(iter(trained))
    if subject not in trained:
        raise LookupError(
            f"{path} was not trained on subject {subject}; it knows "
            f"{', '.join(str(one) for one in trained)}. Choose one of these with --subject."
        )
    place = data or Path(provenance["paths"]["data"][trained[subject]])
    prepared = PreparedSubject(place)
    expected = provenance["data"][trained[subject]]["voxel_hash"]
    if prepared.manifest["voxel_hash"] != expected:
        raise ValueError(
            f"{place} has voxels {prepared.manifest['voxel_hash'][:12]}, but this run was trained "
            f"on {expected[:12]}. Prepare the same subject with the same ROI."
        )
    paths = provenance["paths"]
    targets = target_table(
        prepared.path / "targets",
        prepared.images,
        prepared.image_ids,
        load_clip(paths["clip"], device),
        load_vae(paths["vae"], device),
    )
    return OpenRun(
        folder=folder,
        decoder=load_decoder(path, device),
        prepared=prepared,
        targets=targets,
        provenance=provenance,
    )


def open_artist(run: OpenRun, device: torch.device | str = "cpu") -> Artist:
    """The frozen networks that draw for this run."""
    paths = run.provenance["paths"]
    vae = load_vae(paths["vae"], device)
    return Artist(
        clip=load_clip(paths["clip"], device),
        vae=vae,
        generator=load_scenes_generator(vae, device=device),
    )

"""Opens a run folder with everything that its verbs need."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from mindeye.data.batches import PreparedSubject
from mindeye.data.origin import named_dataset
from mindeye.files import sha256_of
from mindeye.models.decoder import Decoder
from mindeye.models.saved import load_decoder
from mindeye.reconstruction.converted_run import provenance_of_run
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.generators.opening import open_generator
from mindeye.reconstruction.generators.token_fit import require_takes
from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.reconstruction.pipeline import Artist
from mindeye.reconstruction.run_networks import (
    about_given,
    clip_of,
    form_of,
    named_clip,
    open_networks,
    with_given_named,
)
from mindeye.reconstruction.run_scans import (
    index_of,
    require_same_data,
    require_same_voxels,
    training_scans,
)
from mindeye.reconstruction.transfer_data import about_test, require_fits
from mindeye.run import RunFolder
from mindeye.targets.cache import TargetTable, target_table
from mindeye.targets.vae import load_vae

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class OpenRun:
    """A finished run, one of its subjects, and that subject's targets."""

    folder: RunFolder
    decoder: Decoder
    prepared: PreparedSubject
    open_targets: Callable[[], TargetTable]
    provenance: dict

    @cached_property
    def targets(self) -> TargetTable:
        """Opened at once for a run that trained on them; of a converted one at their first use,
        for drawing needs none and a large CLIP takes hours for them on a CPU."""
        return self.open_targets()

    @property
    def about(self) -> dict:
        """What every artefact of this run repeats; of data that only test it, where they lie."""
        trained = self.provenance["data"][self.index]
        other = about_test(self.prepared, trained) if self.prepared.is_test_only else {}
        return {
            "run": str(self.folder.path.resolve()),
            "weights": sha256_of(self.folder.weights_path),
            "networks": self.provenance["networks"],
            **named_dataset(self.prepared.manifest),
            "subject": self.prepared.subject,
            "protocol": self.prepared.manifest["protocol"],
            "transductive": self.prepared.manifest["transductive"],
            "roi": self.prepared.manifest["roi"],
            "voxel_hash": self.prepared.manifest["voxel_hash"],
            "simulated": self.prepared.manifest["simulated"],
            **other,
            **about_given(self.provenance),
        }

    @property
    def index(self) -> int:
        """Which of the run's subjects this is."""
        numbers = [one["subject"] for one in self.provenance["data"]]
        return numbers.index(self.prepared.subject)


def open_run(
    path: Path,
    *,
    subject: int | None = None,
    data: Path | None = None,
    device: str = "cpu",
    given: GivenNetworks = NONE_GIVEN,
    needs_vae: bool = True,
    progress: Progress | None = None,
) -> OpenRun:
    """Opens a run for one subject, by default its first.

    Args:
        data: the subject's prepared folder, where it has moved since training, or one that only
            tests.
        given: what a converted run does not name; with it, `data` says whose scans are meant.
        needs_vae: of a converted run, whether anything is drawn or compared by its latents;
            without, it has no `targets`, but `tokens_of`.
        progress: told how many pictures are embedded, where they are not there yet.

    Raises:
        FileNotFoundError: no run, an unfinished one, or its prepared folder is gone.
        LookupError: a subject that the run was not trained on.
        ValueError: the voxels differ from those of the training, the run was converted and nothing
            is given, or what is given does not fit.
    """
    folder = RunFolder(path=path)
    folder.require_finished()
    provenance = provenance_of_run(folder, given, data, needs_vae=needs_vae)
    index = index_of(path, provenance, subject)
    place = data or Path(provenance["paths"]["data"][index])
    prepared = PreparedSubject(place)
    trained = provenance["data"][index]
    require_same_voxels(place, prepared.manifest, trained)
    if prepared.is_test_only:
        require_fits(place, prepared, trained, Path(provenance["paths"]["data"][index]))
    else:
        require_same_data(place, prepared.manifest, trained)
    table = None
    if "given" in provenance:
        provenance = with_given_named(folder, provenance)
    else:
        provenance, clip, vae = open_networks(folder, provenance, device)
        table = target_table(prepared.path / "targets", prepared.pictures, clip, vae, progress)
    options = {"device": device, "progress": progress}
    return OpenRun(
        folder=folder,
        decoder=load_decoder(path, device),
        prepared=prepared,
        open_targets=lambda: table or _target_table(folder, prepared, provenance, **options),
        provenance=provenance,
    )


def _target_table(
    folder: RunFolder,
    prepared: PreparedSubject,
    provenance: dict[str, Any],
    *,
    device: str,
    progress: Progress | None,
) -> TargetTable:
    _, clip, vae = open_networks(folder, provenance, device)
    return target_table(prepared.path / "targets", prepared.pictures, clip, vae, progress)


def open_training(run: OpenRun) -> tuple[PreparedSubject, TargetTable]:
    """The subject's training images and their targets, also where other data test the run.

    Raises:
        FileNotFoundError: the folder of the training is gone.
        ValueError: it holds other data now.
    """
    if not run.prepared.is_test_only:
        return run.prepared, run.targets
    prepared = training_scans(run.provenance, run.index)
    clip, vae = clip_of(run.folder), load_vae(run.provenance["paths"]["vae"])
    return prepared, target_table(prepared.path / "targets", prepared.pictures, clip, vae)


def require_drawable(
    generator: str, source: Path | None, token_shape: tuple[int, int], provenance: Mapping[str, Any]
) -> None:
    """Refuses a generator that does not take what a run decodes, before its weights are read.

    Raises:
        LookupError, ValueError: unknown, or for tokens of another shape or form.
    """
    require_takes(
        generator,
        source,
        token_shape=token_shape,
        form=form_of(provenance, token_shape),
        clip=named_clip(provenance),
    )


def open_artist(
    run: OpenRun,
    device: torch.device | str = "cpu",
    *,
    generator: str = "scenes",
    source: Path | None = None,
    execution: GeneratorExecution = PLAIN,
) -> Artist:
    """The frozen networks that draw for this run; see `open_generator`.

    Raises:
        LookupError: an unknown generator.
        FileNotFoundError: its weights are absent.
        ValueError: it takes other tokens than the run decodes; or see `open_generator`.
    """
    require_drawable(generator, source, run.decoder.architecture.token_shape, run.provenance)
    vae = load_vae(run.provenance["paths"]["vae"], device)
    clip = clip_of(run.folder, device, run.provenance)
    return Artist(
        clip=clip,
        vae=vae,
        generator=open_generator(
            generator, source, vae=vae, clip=clip, device=device, execution=execution
        ),
    )

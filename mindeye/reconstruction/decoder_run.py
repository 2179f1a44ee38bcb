"""Opens a run to decode scans that it has never seen: the run folder alone, no prepared data."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mindeye.data.bundle import VoxelBundle
from mindeye.data.origin import named_dataset
from mindeye.files import sha256_of
from mindeye.models.decoder import Decoder
from mindeye.models.saved import load_decoder
from mindeye.reconstruction.generators.catalogue import OFFLINE, facts_of, fitting_generator
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.generators.opening import open_generator
from mindeye.reconstruction.generators.protocol import ImageGenerator
from mindeye.reconstruction.generators.token_fit import product
from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.reconstruction.opening import require_drawable
from mindeye.reconstruction.pipeline import Artist
from mindeye.reconstruction.run_networks import (
    about_given,
    form_of,
    is_unnamed,
    open_networks,
    provenance_with,
)
from mindeye.run import RunFolder
from mindeye.targets.clip import ClipTarget
from mindeye.targets.vae import VaeTarget


@dataclass(frozen=True, kw_only=True)
class DecoderRun:
    """A finished run, trained or converted, and one of its subjects, ready for any scan."""

    folder: RunFolder
    decoder: Decoder
    subject: int
    bundle: VoxelBundle
    provenance: dict
    clip: ClipTarget | None
    """None in converted runs, which do not tell on which networks they were trained."""
    vae: VaeTarget | None
    generator: ImageGenerator | None
    """None where there is none that takes the decoder's tokens."""

    @property
    def artist(self) -> Artist | None:
        """The networks that draw; None where no picture can be drawn."""
        if self.clip is None or self.vae is None or self.generator is None:
            return None
        return Artist(clip=self.clip, vae=self.vae, generator=self.generator)

    @property
    def limits(self) -> str | None:
        """A sentence that says what this run cannot give, and why; None where it gives all."""
        if self.clip is None:
            return (
                f"{self.folder.path} was converted: its file does not tell which CLIP and VAE it "
                "was trained on, so tokens, embeddings and low-level latents are written and no "
                "pictures; with --clip and --vae it draws."
            )
        if self.generator is not None:
            return None
        shape = self.decoder.architecture.token_shape
        told = (
            f"No generator here takes tokens of {product(shape)}, so tokens, embeddings "
            "and blurry pictures are written and no reconstructions."
        )
        fitting = fitting_generator(shape, form_of(self.provenance, shape))
        if fitting is None:
            return told
        fetch = " and ".join(f"`{part.command}`" for part in facts_of(fitting).parts)
        return f"{told} {fitting} takes them, where its weights are: {fetch}."

    def _dataset(self) -> dict[str, str]:
        """Converted runs name no data; they are NSD's."""
        trained = [one for one in self.provenance["data"] if one["subject"] == self.subject]
        return named_dataset(trained[0]) if trained else {}

    @property
    def about(self) -> dict[str, Any]:
        """What every artefact of this run repeats."""
        return {
            "run": str(self.folder.path.resolve()),
            "weights": sha256_of(self.folder.weights_path),
            "networks": self.provenance["networks"],
            **self._dataset(),
            "subject": self.subject,
            "roi": self.bundle.roi,
            "voxel_hash": self.bundle.voxel_hash,
            "simulated": simulated_of(self.provenance, self.subject),
            **about_given(self.provenance),
        }


def open_decoder(
    path: Path,
    *,
    subject: int | None = None,
    device: torch.device | str = "cpu",
    generator: str = "scenes",
    source: Path | None = None,
    execution: GeneratorExecution = PLAIN,
    given: GivenNetworks = NONE_GIVEN,
) -> DecoderRun:
    """Opens a run for scans of one subject, by default its first.

    Args:
        generator, source, execution: see `open_generator`. The offline one is left out where it
            does not take the decoder's tokens; another one must take them.
        given: what a converted run does not name.

    Raises:
        FileNotFoundError: no run, an unfinished one, or it has no bundle of this subject.
        LookupError: a subject that the run has no ridge layer for.
        ValueError: decoder and bundle differ in voxels, a network is not that of the training,
            the generator takes other tokens, or nothing is drawn that it could be asked for.
    """
    folder = RunFolder(path=path)
    folder.require_finished()
    provenance = provenance_with(folder, given)
    decoder = load_decoder(path, device)
    chosen = _known_subject(path, decoder, subject)
    bundle = bundle_of(path, chosen)
    num_voxels = decoder.architecture.num_voxels_of[chosen]
    if bundle.num_voxels != num_voxels:
        raise ValueError(
            f"{path} decodes {num_voxels} voxels of subject {chosen}, but its bundle has "
            f"{bundle.num_voxels}. Were the files of two runs mixed?"
        )
    clip, vae, drawing = None, None, None
    if not is_unnamed(provenance) or "given" in provenance:
        provenance, clip, vae = open_networks(folder, provenance, device)
        if generator != OFFLINE:
            shape = decoder.architecture.token_shape
            require_drawable(generator, source, shape, provenance)
        options = {"vae": vae, "clip": clip, "device": device, "execution": execution}
        drawing = open_generator(generator, source, **options)
        if drawing.token_shape != decoder.architecture.token_shape:
            drawing = None
    else:
        _require_no_generator(path, generator, source, execution)
    return DecoderRun(
        folder=folder,
        decoder=decoder,
        subject=chosen,
        bundle=bundle,
        provenance=provenance,
        clip=clip,
        vae=vae,
        generator=drawing,
    )


def _require_no_generator(
    path: Path, generator: str, source: Path | None, execution: GeneratorExecution
) -> None:
    """Refuses what would be ignored, because nothing is drawn."""
    asked = {"--generator": generator != OFFLINE, "--generator-source": source is not None}
    asked["--generator-dtype, --offload, --slicing and --compile"] = execution != PLAIN
    given = [option for option, is_given in asked.items() if is_given]
    if given:
        raise ValueError(
            f"{path} was converted: its file does not tell which CLIP and VAE it was trained on, "
            f"so nothing is drawn. Give --clip FOLDER (and --vae FOLDER), or leave {given[0]} out."
        )


def bundle_of(path: Path, subject: int) -> VoxelBundle:
    """The voxels of one subject as the run's training saw them.

    Raises:
        FileNotFoundError: the run has no such bundle.
    """
    return VoxelBundle.load(path / "bundle" / f"subj{subject:02d}")


def simulated_of(provenance: Mapping[str, Any], subject: int) -> dict | None:
    """What SIMULATED.json says of this subject's training data; None where they are real.

    A subject without data of its own, as in a converted run, is taken for real.
    """
    by_subject = {one["subject"]: one["simulated"] for one in provenance["data"]}
    return by_subject.get(subject)


def _known_subject(path: Path, decoder: Decoder, subject: int | None) -> int:
    if subject is None:
        return decoder.subjects[0]
    if subject not in decoder.subjects:
        raise LookupError(
            f"{path} has no ridge layer for subject {subject}; it knows "
            f"{', '.join(str(one) for one in decoder.subjects)}. "
            "Choose one of these with --subject, or fine-tune it on that subject first."
        )
    return subject

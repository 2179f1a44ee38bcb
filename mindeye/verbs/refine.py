"""`mindeye refine`: reconstructions and captions -> reconstructions that SDXL has drawn over."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from mindeye.config import to_mapping
from mindeye.files import sha256_of
from mindeye.metrics.pixels import resize
from mindeye.pictures import as_images, as_pictures
from mindeye.quirks import Quirks
from mindeye.reconstruction.candidate_noise import candidate_generators
from mindeye.reconstruction.drawing import STAGES
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.generators.refinement import (
    GUIDANCE,
    KEPT_STEPS,
    NEGATIVE_PROMPT,
    SIDE,
    STEPS,
    SdxlRefiner,
    load_refiner,
)
from mindeye.reconstruction.generators.sdxl import sgm_times
from mindeye.reconstruction.picture_folder import (
    ARRAYS,
    Reconstruction,
    begin_folder,
    finish_folder,
    is_finished,
    load_reconstruction,
)
from mindeye.reconstruction.picture_parts import (
    drop_parts,
    missing_images,
    save_image_parts,
    say_unfinished,
    unfinished,
)
from mindeye.reconstruction.pipeline import num_bytes_of
from mindeye.reconstruction.settings import steps_to_skip
from mindeye.verbs.device import require_device
from mindeye.verbs.evaluation.caption_part import read_captions
from mindeye.verbs.saved_results import read_manifest, read_pictures
from mindeye.verbs.switched_on import settings_concerning

# Pixels that one of SDXL's latents stands for.
SIDE_STEP = 8
REFINEMENT_QUIRKS = ("refined_through_256",)
"""The switches of `Quirks` that change refined pictures."""
STORED_SIDE = 256
"""In which MindEye2 stores what unCLIP has drawn with 768 pixels."""


@dataclass(frozen=True, kw_only=True)
class RefinementConfig:
    """As MindEye2 refines."""

    steps: int = STEPS
    strength: float = KEPT_STEPS / STEPS
    """Share of the steps that are run."""
    guidance: float = GUIDANCE
    negative_prompt: str = NEGATIVE_PROMPT
    side: int = SIDE
    """Of the refined pictures, in pixels; a multiple of `SIDE_STEP`."""
    quirks: tuple[str, ...] = ()
    """Those of `REFINEMENT_QUIRKS` that are on."""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps is {self.steps}. Choose 1 or more.")
        if self.side < SIDE_STEP or self.side % SIDE_STEP:
            raise ValueError(
                f"--side is {self.side}; SDXL's networks halve pictures several times. "
                f"Choose a multiple of {SIDE_STEP}, such as {SIDE}."
            )
        sgm_times(self.steps)
        steps_to_skip(self.steps, self.strength)
        if not math.isfinite(self.guidance):
            raise ValueError(f"guidance is {self.guidance}. Choose a number, such as {GUIDANCE:g}.")
        others = [name for name in self.quirks if name not in REFINEMENT_QUIRKS]
        if others:
            raise ValueError(
                f"`{others[0]}` is no quirk of a refinement. "
                f"Choose from {', '.join(REFINEMENT_QUIRKS)}."
            )


def refine_folder(
    reconstructions: Path,
    out: Path,
    captions: Path,
    config: RefinementConfig,
    *,
    generator_source: Path,
    execution: GeneratorExecution = PLAIN,
    device: str = "cpu",
    compat: str | None = None,
    quirk_settings: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Reconstruction:
    """Refines the chosen candidate of each image into `out`, a folder of the same form.

    A rerun refines only the images that are missing. What was chosen stays chosen: its score is
    that of the picture which was refined. The quirk `blended_with_blurry` of the first drawing
    blends the refined pictures.

    Args:
        generator_source: folder of an SDXL checkpoint with its text encoders.
        compat, quirk_settings: see `quirks_from`; on top of `config.quirks`. How the run was
            trained and drawn sets none: pictures come at their full size unless it is asked for.

    Raises:
        FileNotFoundError: no reconstructions, captions or checkpoint there.
        LookupError: an image without a caption, an unknown system or quirk.
        ValueError: `out` holds other pictures.

    Source: MindEye2 (arXiv:2403.11207), released inference code.
    """
    require_device(device)
    given = Quirks(**dict.fromkeys(config.quirks, True))
    quirks = settings_concerning(given, compat, quirk_settings, REFINEMENT_QUIRKS)
    config = replace(config, quirks=quirks)
    manifest, drawn = read_manifest(reconstructions), read_pictures(reconstructions)
    image_ids = drawn.image_ids.tolist()
    prompts = prompts_of(captions, image_ids)
    refiner = load_refiner(generator_source, device, execution, side=config.side)
    settings = replace(manifest.settings, candidates=1)
    refined = {
        **to_mapping(config),
        "captions": sha256_of(captions),
        "pictures": sha256_of(reconstructions / ARRAYS),
        "drawn_by": manifest.drawn_by,
    }
    identity = {
        "settings": to_mapping(settings),
        "generator": refiner.identity,
        "image_ids": image_ids,
        "about": {**manifest.about, "refined": refined},
    }
    # No tokens are kept.
    begin_folder(out, identity, num_bytes_of(settings, len(image_ids), 0, config.side))
    if is_finished(out):
        drop_parts(out)
        return load_reconstruction(out)
    missing, total = missing_images(out, image_ids), len(image_ids)
    with unfinished(out, total):
        for row, image_id in enumerate(image_ids):
            if image_id in missing:
                arrays = refined_image(
                    drawn, row, prompts[image_id], refiner, config, settings.seed
                )
                save_image_parts(out, arrays, missing)
                say_unfinished(out, total)
            if progress:
                progress(row + 1, total)
        return finish_folder(out, settings, refiner.identity)


def prompts_of(captions: Path, image_ids: list[int]) -> Mapping[int, str]:
    """The first caption of each image.

    Raises:
        LookupError: images without one.
    """
    texts = {image_id: found[0] for image_id, found in read_captions(captions).items()}
    without = [image_id for image_id in image_ids if image_id not in texts]
    if without:
        raise LookupError(
            f"{captions} has no caption of {len(without)} of {len(image_ids)} images, first id "
            f"{without[0]}. Write it for these images with `mindeye caption`."
        )
    return texts


@torch.inference_mode()
def refined_image(
    drawn: Reconstruction,
    row: int,
    prompt: str,
    refiner: SdxlRefiner,
    config: RefinementConfig,
    seed: int,
) -> dict[str, np.ndarray]:
    """What `finish_folder` takes of one image; its chosen candidate, not blended, is refined.

    With `refined_through_256` it is first made as small as MindEye2 stores it, by torchvision 0.16,
    which does not antialias tensors; the refiner enlarges it to its own side, bilinear, as there.
    """
    started = time.perf_counter()
    image_ids = drawn.image_ids[row : row + 1]
    chosen = as_images(drawn.candidates[row, drawn.chosen[row]][None]).to(refiner.device)
    if "refined_through_256" in config.quirks:
        chosen = resize(chosen, STORED_SIDE, antialias=False)
    pictures = refiner.refine(
        chosen,
        [prompt],
        generators=candidate_generators(seed, image_ids.tolist(), 1),
        steps=config.steps,
        strength=config.strength,
        guidance=config.guidance,
        negative_prompt=config.negative_prompt,
    )
    seconds = np.zeros((1, 1, len(STAGES)), np.float32)
    candidates = as_pictures(pictures)[:, None]
    seconds[..., STAGES.index("generator")] = time.perf_counter() - started
    arrays = {
        "image_ids": image_ids,
        "candidates": candidates,
        "scores": drawn.chosen_scores[row : row + 1, None],
        "chosen": np.zeros(1, np.int64),
        "seconds": seconds,
    }
    return arrays if drawn.blurry is None else arrays | {"blurry": drawn.blurry[row : row + 1]}

"""Pre-training on four subjects and fine-tuning to a fifth at real sizes: what they hold in memory.

Betas and pictures are noise and the CLIP is a small random one; voxels, tokens and the decoder have
NSD's and MindEye1's sizes, and both trainings are the ones that `mindeye train` runs.
"""

import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mindeye.config import load_yaml
from mindeye.disk import require_free_space
from mindeye.models.decoder import Decoder
from mindeye.models.meta_device import on_meta
from mindeye.models.token_head import LowRankHeadConfig, TokenCodeHeadConfig
from mindeye.nsd_layout import NSDGENERAL_VOXELS
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.loop import train
from mindeye.verbs.benchmarks.made_up_subject import write_clip, write_subject
from mindeye.verbs.benchmarks.other_process import told

TOKEN_SHAPE, LATENT_SHAPE = (257, 768), (4, 16, 16)
PRETRAINED, NEW = (2, 3, 4, 5), 1
NUM_STEPS = 3
STAGES = ("pre-train", "fine-tune")
HEADS = {
    "dense": None,
    "rank 512": LowRankHeadConfig(rank=512),
    "code 128": TokenCodeHeadConfig(code_width=128),
}
# Of one parameter: its weight, its gradient, AdamW's two moments.
BYTES = {
    "float32 moments": 4 + 4 + 8,
    "bfloat16 moments": 4 + 4 + 4,
    "int8 moments": 4 + 4 + 2,
    "int8 moments, gradients freed one by one": 4 + 2,
}
WORK_BYTES = 20 * 10**9
"""Two runs with a checkpoint each, at 16 bytes a parameter, and the scans."""


def memory_table(config: ExperimentConfig) -> list[str]:
    """Weights, gradients and moments of both trainings, for heads and kinds of optimizer state.

    Counted without allocating anything; activations come on top.
    """
    lines = [
        "| token head | training | parameters | " + " | ".join(BYTES) + " |",
        "|---" * (len(BYTES) + 3) + "|",
    ]
    for name, head in HEADS.items():
        for stage, subjects in zip(STAGES, (PRETRAINED, (NEW,)), strict=True):
            count = num_parameters(replace(config.decoder, token_head=head), subjects)
            cells = [f"{count * size / 1e9:.1f} GB" for size in BYTES.values()]
            lines.append(f"| {name} | {stage} | {count / 1e6:.1f} M | {' | '.join(cells)} |")
    return lines


def num_parameters(decoder, subjects: Sequence[int]) -> int:
    """Of a decoder for these NSD subjects."""
    network = on_meta(
        lambda: Decoder(
            decoder,
            num_voxels_of={one: NSDGENERAL_VOXELS[one] for one in subjects},
            token_shape=TOKEN_SHAPE,
            latent_shape=LATENT_SHAPE,
        )
    )
    return sum(parameter.numel() for parameter in network.parameters())


def real_size(
    work: Path,
    program: Sequence[str],
    *,
    voxels_of: Mapping[int, int] = NSDGENERAL_VOXELS,
    token_shape: tuple[int, int] = TOKEN_SHAPE,
    num_images: int = 96,
) -> list[dict[str, Any]]:
    """Runs both trainings, each in a process of its own, and tells their peaks.

    Args:
        program: what runs `one_stage` of WORK when `--stage NAME` is added.
    """
    if not (work / "clip").exists():
        require_free_space(work, WORK_BYTES, "Two trainings of real size")
        for subject in (*PRETRAINED, NEW):
            folder = work / f"subj{subject:02d}"
            if not folder.exists():
                write_subject(folder, subject, voxels_of[subject], num_images)
        write_clip(work / "clip", token_shape)
    return [told([*program, "--stage", stage]) for stage in STAGES]


def one_stage(work: Path, config_path: Path, stage: str) -> dict[str, Any]:
    """Three steps of a training; the peak of this process, from its start on."""
    config, is_first = load_yaml(ExperimentConfig, config_path), stage == STAGES[0]
    subjects = PRETRAINED if is_first else (NEW,)
    losses: list[float] = []
    began = time.perf_counter()
    run = train(
        replace(
            config,
            data=tuple(work / f"subj{one:02d}" for one in subjects),
            clip=work / "clip",
            vae=None,
            teacher=None,
            augmentation=None,
            start_from=None if is_first else work / STAGES[0],
            ridge_start="random" if is_first else "closed-form",
            schedule=replace(
                config.schedule,
                num_epochs=1,
                steps_per_epoch=NUM_STEPS,
                subjects_together=is_first and config.schedule.subjects_together,
            ),
        ),
        work / stage,
        progress=lambda _done, _total, values: losses.append(sum(values.values())),
    )
    return {
        "stage": stage,
        "subjects": list(subjects),
        "steps": len(losses),
        "weights_gb": round(run.weights_path.stat().st_size / 1e9, 2),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
        "wall_s": round(time.perf_counter() - began, 1),
    }

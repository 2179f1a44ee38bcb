"""Converts a made-up MindEye2 checkpoint of full size; prints minutes and peak memory.

python eval/benchmarks/convert_full_size.py --work DIR     # 18 GB of disk, removed at the end
"""

import argparse
import resource
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import torch

from mindeye.models.decoder import Decoder, DecoderConfig
from mindeye.models.low_level_network import PublishedLowLevelConfig
from mindeye.models.mixer_backbone import MixerBackboneConfig
from mindeye.models.published import to_mindeye2
from mindeye.models.published.conversion import on_meta
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.nsd_layout import NSDGENERAL_VOXELS

SUBJECT = 1
TOKEN_SHAPE, LATENT_SHAPE = (256, 1664), (4, 28, 28)
FULL_SIZE = DecoderConfig(
    backbone=MixerBackboneConfig(),
    contrastive_width=TOKEN_SHAPE[1],
    prior=PublishedPriorConfig(depth=6, num_heads=32, head_width=52, scale=1.0),
    low_level=PublishedLowLevelConfig(base_channels=64, base_side=7, block_channels=(32, 64, 128)),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder of the two large files")
    work = parser.parse_args().work
    work.mkdir(parents=True)
    try:
        save_made_up_checkpoint(work / "last.pth")
        command = ["convert", "mindeye2", str(work / "last.pth"), "--subjects", str(SUBJECT)]
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "mindeye", *command, "--out", str(work / "run")], check=True
        )
        minutes = (time.monotonic() - began) / 60
        peak_gb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        size_gb = (work / "last.pth").stat().st_size / 1e9
        print(f"{size_gb:.1f} GB converted in {minutes:.2f} minutes, at most {peak_gb:.1f} GB")
    finally:
        shutil.rmtree(work)


def save_made_up_checkpoint(path: Path) -> None:
    """All keys and shapes as published; learned values are all the same."""
    empty = partial(
        Decoder,
        FULL_SIZE,
        num_voxels_of={SUBJECT: NSDGENERAL_VOXELS[SUBJECT]},
        token_shape=TOKEN_SHAPE,
        latent_shape=LATENT_SHAPE,
    )
    state = {
        key: torch.full(value.shape, 0.01) if value.is_meta else value
        for key, value in to_mindeye2(on_meta(empty)).items()
    }
    torch.save({"epoch": 149, "model_state_dict": state}, path)


if __name__ == "__main__":
    main()

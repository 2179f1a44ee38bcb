"""Converts a made-up MindEye2 checkpoint of full size; prints minutes and peak memory.

python eval/benchmarks/convert_full_size.py --work NEW     # 18 GB of disk, removed at the end
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import torch

from mindeye.models.decoder import Decoder, DecoderConfig
from mindeye.models.low_level_network import PublishedLowLevelConfig
from mindeye.models.meta_device import on_meta
from mindeye.models.mixer_backbone import MixerBackboneConfig
from mindeye.models.published import to_mindeye2
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
    parser.add_argument("--work", type=Path, required=True, help="a new folder for two large files")
    parser.add_argument("--only-make", action="store_true", help="stop after the checkpoint")
    arguments = parser.parse_args()
    path = arguments.work / "last.pth"
    if arguments.only_make:
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
        arguments.work.mkdir(parents=True)
        torch.save({"epoch": 149, "model_state_dict": state}, path)
        return
    if arguments.work.exists():
        parser.error(f"{arguments.work} exists and would be removed. Name a new folder.")
    try:
        # In a process of its own: the peak of a process is never below that of its parent.
        own = [sys.executable, __file__, "--work", str(arguments.work), "--only-make"]
        subprocess.run(own, check=True)
        command = ["convert", "mindeye2", str(path), "--subjects", str(SUBJECT)]
        command = [sys.executable, "-m", "mindeye", *command, "--out", str(arguments.work / "run")]
        began = time.monotonic()
        _, status, used = os.wait4(subprocess.Popen(command).pid, 0)
        if status:
            sys.exit("The conversion failed; what it said stands above.")
        minutes, peak_gb = (time.monotonic() - began) / 60, used.ru_maxrss / 1e6
        size_gb = path.stat().st_size / 1e9
        print(f"{size_gb:.1f} GB converted in {minutes:.2f} minutes, at most {peak_gb:.1f} GB")
    finally:
        shutil.rmtree(arguments.work, ignore_errors=True)


if __name__ == "__main__":
    main()

"""Trains the networks in mindeye/assets/ from drawn scenes; each stage resumes after a kill.

python data_scripts/train_offline_networks.py --work DIR                 # all stages, in order
python data_scripts/train_offline_networks.py --work DIR --stages clip --threads 1
"""

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from mindeye.reconstruction.generators.scenes import OFFLINE_GENERATOR
from mindeye.targets.clip import OFFLINE_CLIP, load_clip
from mindeye.targets.vae import OFFLINE_VAE, load_vae
from mindeye.training.offline.clip import teach_names, train_clip
from mindeye.training.offline.generator import embed_pictures, train_generator
from mindeye.training.offline.pictures import render_pictures
from mindeye.training.offline.vae import polish_decoder, train_vae

STAGES = ("pictures", "clip", "clip-names", "vae", "embed", "generator", "vae-decoder")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for pictures and checkpoints"
    )
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--pictures", type=int, default=30_000)
    parser.add_argument("--clip-steps", type=int, default=1600)
    parser.add_argument("--name-steps", type=int, nargs="+", default=[700, 450])
    parser.add_argument("--vae-steps", type=int, default=3000)
    parser.add_argument("--decoder-steps", type=int, default=3000)
    parser.add_argument("--generator-steps", type=int, default=3000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    work = arguments.work
    work.mkdir(parents=True, exist_ok=True)

    def report(step: int, losses: Mapping[str, float]) -> None:
        line = {"time": round(time.time()), "step": step, **losses}
        print(json.dumps(line), flush=True)

    if "pictures" in arguments.stages:
        render_pictures(
            work / "pictures.npy",
            arguments.pictures,
            processes=arguments.threads,
            progress=lambda done, total: print(f"pictures {done}/{total}", flush=True),
        )
    pictures = np.load(work / "pictures.npy", mmap_mode="r")
    chosen = {"work": work, "seed": arguments.seed, "report": report}
    if "clip" in arguments.stages:
        train_clip(pictures, OFFLINE_CLIP, num_steps=arguments.clip_steps, batch=128, **chosen)
    if "clip-names" in arguments.stages:
        for lesson, num_steps in enumerate(arguments.name_steps):
            teach_names(
                pictures, OFFLINE_CLIP, lesson=lesson, num_steps=num_steps, batch=128, **chosen
            )
    if "vae" in arguments.stages:
        train_vae(pictures, OFFLINE_VAE, num_steps=arguments.vae_steps, batch=16, **chosen)
    if "embed" in arguments.stages or "generator" in arguments.stages:
        tokens, latents = embed_pictures(pictures, load_clip(), load_vae(), work, report=report)
    if "generator" in arguments.stages:
        train_generator(
            tokens,
            latents,
            OFFLINE_GENERATOR,
            num_steps=arguments.generator_steps,
            batch=64,
            **chosen,
        )
    if "vae-decoder" in arguments.stages:
        polish_decoder(pictures, OFFLINE_VAE, num_steps=arguments.decoder_steps, batch=16, **chosen)


if __name__ == "__main__":
    main()

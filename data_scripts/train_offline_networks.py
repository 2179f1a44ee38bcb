"""Trains the networks in mindeye/assets/ from drawn scenes; each stage resumes after a kill.

python data_scripts/train_offline_networks.py --work DIR                 # all stages, in order
python data_scripts/train_offline_networks.py --work DIR --stages clip --threads 1
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch

from mindeye.reconstruction.generators.scenes import OFFLINE_GENERATOR
from mindeye.targets.clip import OFFLINE_CLIP, load_clip
from mindeye.targets.vae import OFFLINE_VAE, load_vae
from mindeye.training.offline.clip import lesson_name, teach_names, train_clip
from mindeye.training.offline.embedded import embed_pictures
from mindeye.training.offline.generator import train_generator
from mindeye.training.offline.pictures import render_pictures
from mindeye.training.offline.resumable import Stage
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
    parser.add_argument("--generator-steps", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    work = arguments.work
    work.mkdir(parents=True, exist_ok=True)

    def report(step: int, losses: Mapping[str, float]) -> None:
        line = {"time": round(time.time()), "step": step, **losses}
        print(json.dumps(line), flush=True)

    def progress(name: str) -> Callable[[int, int], None]:
        return lambda done, total: print(f"{name} {done}/{total}", flush=True)

    if "pictures" in arguments.stages:
        render_pictures(
            work / "pictures.npy",
            arguments.pictures,
            processes=arguments.threads,
            progress=progress("pictures"),
        )
    pictures = np.load(work / "pictures.npy", mmap_mode="r")
    stage = partial(Stage, work=work, seed=arguments.seed, report=report)
    if "clip" in arguments.stages:
        train_clip(
            pictures, OFFLINE_CLIP, stage(name="clip", num_steps=arguments.clip_steps, batch=128)
        )
    if "clip-names" in arguments.stages:
        for lesson, num_steps in enumerate(arguments.name_steps):
            named = stage(name=lesson_name(lesson), num_steps=num_steps, batch=128)
            teach_names(pictures, OFFLINE_CLIP, named, lesson=lesson)
    if "vae" in arguments.stages:
        train_vae(pictures, OFFLINE_VAE, stage(name="vae", num_steps=arguments.vae_steps, batch=16))
    if "embed" in arguments.stages or "generator" in arguments.stages:
        tokens, latents = embed_pictures(
            pictures, load_clip(), load_vae(), work, progress=progress("embedded")
        )
    if "generator" in arguments.stages:
        drawing = stage(name="generator", num_steps=arguments.generator_steps, batch=32)
        train_generator(tokens, latents, OFFLINE_GENERATOR, drawing)
    if "vae-decoder" in arguments.stages:
        polish_decoder(
            pictures,
            OFFLINE_VAE,
            stage(name="vae-decoder", num_steps=arguments.decoder_steps, batch=16),
        )


if __name__ == "__main__":
    main()

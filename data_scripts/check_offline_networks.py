"""Scores the networks in mindeye/assets/ on held-out scenes, and saves a contact sheet.

python data_scripts/check_offline_networks.py --sheet sheet.png
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from mindeye.pictures import as_pictures, save_png
from mindeye.reconstruction.generators.scenes import load_scenes_generator
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae
from mindeye.training.offline.check import (
    held_out_images,
    identification_of_drawings,
    offline_scores,
    share_named,
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=500)
    parser.add_argument("--drawn", type=int, default=100)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--sheet", type=Path, help="shown above drawn, as PNG")
    arguments = parser.parse_args()
    clip, vae = load_clip(), load_vae()
    scores = offline_scores(clip, vae, arguments.scenes)
    print(f"naming {scores.naming:.3f}  PSNR {scores.psnr_db:.2f} dB  ({scores.num_scenes} scenes)")
    shown = held_out_images(arguments.drawn)
    with torch.inference_mode():
        drawn = load_scenes_generator(vae).generate(
            clip.tokens(shown),
            start=None,
            strength=1.0,
            steps=arguments.steps,
            guidance=1.0,
            generators=[torch.Generator().manual_seed(one) for one in range(arguments.drawn)],
        )
    wins = identification_of_drawings(drawn, shown, clip)
    named = share_named(drawn, clip)
    print(
        f"drawings from true tokens: two-way identification {wins:.3f}, naming {named:.3f} "
        f"({arguments.drawn} scenes)"
    )
    if arguments.sheet:
        rows = [np.concatenate(list(as_pictures(one[:12])), axis=1) for one in (shown, drawn)]
        save_png(np.concatenate(rows), arguments.sheet)


if __name__ == "__main__":
    main()

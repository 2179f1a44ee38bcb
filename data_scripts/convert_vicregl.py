"""Converts a full VICRegL checkpoint of a ConvNeXt into the folder that `load_maps` opens.

python data_scripts/convert_vicregl.py convnext_xlarge_alpha0.75_fullckpt.pth --out vicregl-xl
python data_scripts/convert_vicregl.py CHECKPOINT --out vicregl-xl-224 --side 224    # MindEye2

The weights are Meta's (github.com/facebookresearch/VICRegL, CC BY-NC: not for commercial use).
"""

import argparse
from pathlib import Path

from mindeye.models.checkpoint.saved_by_torch import read_saved
from mindeye.models.checkpoint.weights import CheckpointWeights, state_of
from mindeye.targets.feature_maps import load_maps, save_maps
from mindeye.targets.vicregl import convert_vicregl


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--side", type=int, default=512, help="of the pictures, in pixels")
    arguments = parser.parse_args()
    content = read_saved(arguments.checkpoint)
    # Weights lie under `model`, beside the optimizer's; a backbone alone lies at the top.
    nested = isinstance(content, dict) and "model" in content
    weights = CheckpointWeights(
        state_of(content["model"] if nested else content, arguments.checkpoint)
    )
    save_maps(convert_vicregl(weights, arguments.side), arguments.out)
    target = load_maps(arguments.out)
    places, width = target.map_shape
    print(f"{arguments.out}: {target.identity}, {places} places of {width} features")


if __name__ == "__main__":
    main()

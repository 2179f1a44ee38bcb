"""CLIP ViT-L/14 and SigLIP2: embeddings of whole pictures, from a folder in open_clip's layout."""

import json
from pathlib import Path

import open_clip
import torch
from jaxtyping import Float
from open_clip.transformer import QuickGELU
from torch import Tensor

from mindeye.files import sha256_of
from mindeye.targets.metric_networks.network import MetricNetwork

CONFIG_FILE, WEIGHTS_FILE = "open_clip_config.json", "open_clip_model.safetensors"
# OpenAI's CLIP was trained with it; without it embeddings are 3 % off and nothing complains.
NEEDS_QUICK_GELU = ("clip-vit-l-14",)


def contrastive_judge(name: str, folder: Path, device: torch.device | str) -> MetricNetwork:
    """The image side of an open_clip model as a judge; any tower that open_clip knows.

    Raises:
        ValueError: OpenAI's CLIP with another activation than it was trained with.
    """
    model = open_clip.create_model(f"local-dir:{folder}", device=device)
    visual = model.visual.eval().requires_grad_(False)
    if name in NEEDS_QUICK_GELU and not any(isinstance(one, QuickGELU) for one in visual.modules()):
        raise ValueError(
            f"{folder / CONFIG_FILE} does not say quick_gelu, which OpenAI's weights were trained "
            'with. Set "quick_gelu": true in its model_cfg.'
        )
    settings = json.loads((folder / CONFIG_FILE).read_text())["preprocess_cfg"]
    side = visual.image_size[0] if isinstance(visual.image_size, tuple) else visual.image_size

    def outputs(images: Float[Tensor, "images 3 rows columns"]) -> dict[str, Tensor]:
        images = images.to(device)
        mean, std = (images.new_tensor(settings[one]).view(3, 1, 1) for one in ("mean", "std"))
        return {"embedding": visual((images - mean) / std)}

    return MetricNetwork(
        name=name,
        identity=f"{name} sha256:{sha256_of(folder / WEIGHTS_FILE)}",
        outputs=outputs,
        side=side,
        interpolation=settings.get("interpolation", "bicubic"),
    )

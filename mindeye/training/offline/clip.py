"""Trains the offline CLIP on drawn scenes and their captions."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from mindeye.pictures import as_images
from mindeye.simulate.scenes import KINDS
from mindeye.targets.clip import last_tokens
from mindeye.training.offline.pictures import batch_rows, captions, kinds_of
from mindeye.training.offline.resumable import Stage, train

# Small enough for two CPU cores; 80 px in patches of 16 make 25 tokens and the CLS token.
MODEL_CONFIG = {
    "embed_dim": 128,
    "quick_gelu": False,
    "vision_cfg": {
        "image_size": 80,
        "layers": 6,
        "width": 192,
        "head_width": 48,
        "patch_size": 16,
    },
    "text_cfg": {
        "context_length": 32,
        "vocab_size": 49408,
        "width": 96,
        "heads": 4,
        "layers": 3,
    },
}
PREPROCESS = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic"}
LAYOUT_WEIGHT = 10.0
LAYOUT_SIDE = 20


class _Trainee(nn.Module):
    """The CLIP with a thumbnail head on its patch tokens.

    The contrastive loss gives the last layer's patch tokens no gradient. The head makes each of
    them predict its own patch as a 4 x 4 thumbnail, so that tokens say what is where.
    """

    def __init__(self, config_folder: Path) -> None:
        super().__init__()
        config_folder.mkdir(parents=True, exist_ok=True)
        (config_folder / "mindeye-scenes-clip.json").write_text(json.dumps(MODEL_CONFIG))
        open_clip.add_model_config(config_folder / "mindeye-scenes-clip.json")
        self.clip = open_clip.create_model("mindeye-scenes-clip", pretrained=None)
        self.tokenizer = open_clip.get_tokenizer("mindeye-scenes-clip")
        grid = self.clip.visual.grid_size[0]
        self.thumbnail = nn.Linear(MODEL_CONFIG["embed_dim"], 3 * (LAYOUT_SIDE // grid) ** 2)


def train_clip(
    pictures: np.ndarray,
    out: Path,
    stage: Stage,
) -> None:
    """Trains for `num_steps` and writes an open_clip folder to `out`; resumes."""
    if stage.done.exists():
        return
    torch.manual_seed(stage.seed)
    trainee = _Trainee(stage.work)
    weights = train(
        trainee,
        partial(_losses, trainee, pictures, batch=stage.batch, seed=stage.seed, naming=False),
        stage,
        learning_rate=1e-3,
        weight_decay=0.05,
    )
    _save(weights, out)
    stage.done.touch()


def teach_names(
    pictures: np.ndarray,
    folder: Path,
    stage: Stage,
    *,
    lesson: int,
) -> None:
    """Trains the CLIP in `folder` on, now also with captions that say nothing but the kind.

    Whole captions differ in so many ways that few pictures need their kind to be told apart.
    """
    if stage.done.exists():
        return
    seed = stage.seed + 1 + lesson
    torch.manual_seed(seed)
    trainee = _Trainee(stage.work)
    if lesson == 0:
        start = load_file(folder / "open_clip_model.safetensors")
        start = {name: value.float() for name, value in start.items()}
        trainee.clip.load_state_dict(start, strict=False)
    else:
        lesson_before = stage.work / f"{lesson_name(lesson - 1)}.pt"
        # With its trained thumbnail head: a new one shakes the tokens until it has learned.
        last = torch.load(lesson_before, weights_only=True)
        trainee.load_state_dict(last["weights"])
    weights = train(
        trainee,
        partial(_losses, trainee, pictures, batch=stage.batch, seed=seed, naming=True),
        stage,
        learning_rate=7e-4 if lesson == 0 else 2.5e-4,
        weight_decay=0.05,
    )
    _save(weights, folder)
    stage.done.touch()


def lesson_name(lesson: int) -> str:
    """Name of the stage."""
    return f"clip-names-{lesson}"


def name_prompts() -> list[str]:
    """One caption for each kind of thing that says nothing else."""
    return [f"a picture of {'an' if kind[0] in 'aeiou' else 'a'} {kind}" for kind in KINDS]


def _losses(
    trainee: _Trainee, pictures: np.ndarray, step: int, *, batch: int, seed: int, naming: bool
) -> dict[str, Tensor]:
    rows = np.sort(batch_rows(len(pictures), batch, step, seed))
    pixels = _view(as_images(pictures[rows]), step, seed)
    texts = captions(rows, step) + (name_prompts() if naming else [])
    with torch.autocast("cpu", torch.bfloat16):
        visual = trainee.clip.visual
        tokens = last_tokens(visual, pixels * 2 - 1) @ visual.proj
        text = trainee.clip.encode_text(trainee.tokenizer(texts))
        # Unit tokens times sqrt(width): elements of about unit variance.
        patches = functional.normalize(tokens[:, 1:].float(), dim=-1) * tokens.shape[2] ** 0.5
        thumbnails = trainee.thumbnail(patches)
    image = functional.normalize(tokens[:, 0].float(), dim=-1)
    text = functional.normalize(text.float(), dim=-1)
    scale = trainee.clip.logit_scale.exp().clamp(max=100)
    logits = scale * image @ text[:batch].T
    own = torch.arange(batch)
    losses = {
        "contrastive": (
            functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)
        )
        / 2,
        "layout": LAYOUT_WEIGHT
        * functional.mse_loss(thumbnails.float(), _thumbnails(trainee, pixels)),
    }
    if naming:
        names = list(KINDS)
        kinds = torch.tensor([names.index(kind) for kind in kinds_of(rows)])
        losses["naming"] = functional.cross_entropy(scale * image @ text[batch:].T, kinds)
    return losses


def _thumbnails(trainee: _Trainee, pixels: Tensor) -> Tensor:
    """What each patch token has to tell: its patch at LAYOUT_SIDE / grid pixels a side."""
    small = functional.interpolate(pixels, size=LAYOUT_SIDE, mode="area")
    patch = LAYOUT_SIDE // trainee.clip.visual.grid_size[0]
    return functional.unfold(small, patch, stride=patch).transpose(1, 2)


def _save(weights: Mapping[str, Tensor], out: Path) -> None:
    """Writes an open_clip folder, half precision."""
    out.mkdir(parents=True, exist_ok=True)
    half = {
        name.removeprefix("clip."): value.half().contiguous()
        for name, value in weights.items()
        if name.startswith("clip.") and not name.endswith("attn_mask")
    }
    save_file(half, out / "open_clip_model.safetensors")
    config = {"model_cfg": MODEL_CONFIG, "preprocess_cfg": PREPROCESS}
    (out / "open_clip_config.json").write_text(json.dumps(config, indent=1) + "\n")


def _view(images: Tensor, step: int, seed: int) -> Tensor:
    """A slightly moved and scaled view at CLIP's size; one window for the whole batch."""
    rng = np.random.default_rng([seed, step, 1])
    side = images.shape[-1]
    kept = int(side * rng.uniform(0.86, 1.0))
    top, left = rng.integers(0, side - kept + 1, size=2)
    window = images[..., top : top + kept, left : left + kept]
    size = MODEL_CONFIG["vision_cfg"]["image_size"]
    resized = functional.interpolate(window, size=(size, size), mode="bicubic", antialias=True)
    return resized.clamp(0, 1)

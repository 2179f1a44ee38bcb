"""Made-up prepared folders of real subjects' sizes, and a small CLIP with tokens of real size."""

import json
from pathlib import Path

import numpy as np
import open_clip
import torch
from safetensors.torch import save_file

from mindeye.data.batches import MANIFEST, SCHEMA
from mindeye.data.bundle import VoxelBundle
from mindeye.data.prepare import written_files
from mindeye.data.shards import ShardWriter
from mindeye.files import write_json

SIDE = 64
REPEATS = 3
PATCH = 14


def write_clip(folder: Path, token_shape: tuple[int, int]) -> None:
    """Random weights, one narrow layer: only the shape of its tokens is a real CLIP's."""
    num_tokens, width = token_shape
    side = PATCH * round((num_tokens - 1) ** 0.5)
    vision = {"image_size": side, "layers": 1, "width": 32, "head_width": 16, "patch_size": PATCH}
    text = {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
    model = {"embed_dim": width, "vision_cfg": vision, "text_cfg": text}
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
    folder.mkdir(parents=True)
    content = {"model_cfg": model, "preprocess_cfg": preprocess}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = open_clip.CLIP(width, vision, text).state_dict()
    kept = {name: value.clone() for name, value in weights.items() if name != "attn_mask"}
    save_file(kept, folder / "open_clip_model.safetensors")


def write_subject(folder: Path, subject: int, num_voxels: int, num_images: int) -> None:
    """Noise for betas and for pictures, in the layout that `mindeye prepare` writes.

    As in NSD, test images are everybody's and training images one's own.
    """
    rng = np.random.default_rng(subject)
    first = 1000 * subject
    ids_of = {
        "train": range(first, first + num_images),
        "validation": range(first + 900, first + 910),
        "test": range(10),
    }
    folder.mkdir(parents=True)
    splits, trial = {}, 0
    for split, ids in ids_of.items():
        writer = ShardWriter(folder, split)
        for image_id in ids:
            for repeat in range(REPEATS):
                betas = rng.standard_normal(num_voxels, dtype=np.float32)
                numbers = {"image_id": image_id, "trial": trial, "repeat": repeat}
                writer.write(betas, **numbers, subject=subject, session=1, run=1)
                trial += 1
        writer.close()
        counts = {"num_trials": writer.num_trials, "num_images": len(ids)}
        splits[split] = {"shards": writer.names, **counts}
    image_ids = np.array(sorted(one for ids in ids_of.values() for one in ids))
    np.save(folder / "image_ids.npy", image_ids)
    pictures = rng.integers(0, 256, (len(image_ids), SIDE, SIDE, 3), dtype=np.uint8)
    np.save(folder / "images.npy", pictures)
    bundle = _bundle(subject, num_voxels)
    bundle.save(folder / "bundle")
    manifest = {
        "schema": SCHEMA,
        "dataset": "nsd",
        "subject": subject,
        "space": bundle.space,
        "beta_version": bundle.beta_version,
        "roi": bundle.roi,
        "num_voxels": num_voxels,
        "voxel_hash": bundle.voxel_hash,
        "protocol": "made up",
        "zscore": bundle.zscore,
        "sessions": [1],
        "transductive": [],
        "splits": splits,
        "seed": subject,
        "simulated": {"simulated": True, "preset": "noise"},
        "mindeye_version": "made up",
        **written_files(folder),
    }
    write_json(folder / MANIFEST, manifest)


def _bundle(subject: int, num_voxels: int) -> VoxelBundle:
    ones = np.ones(num_voxels, dtype=np.float32)
    return VoxelBundle(
        subject=subject,
        space="made up",
        roi="nsdgeneral",
        beta_version="b3",
        zscore="session-train",
        sessions=(1,),
        shape=None,
        affine=None,
        coordinates=None,
        mean=ones[None],
        std=ones[None],
        mean_map=ones,
        ncsnr=ones,
        label_of_voxel={},
        label_names={},
    )

"""choices.jsonl of a folder of reconstructions: one line a candidate, for people and scripts."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mindeye.files import write_text
from mindeye.reconstruction.candidate_noise import candidate_seed
from mindeye.reconstruction.drawing import STAGES
from mindeye.reconstruction.settings import ReconstructionConfig

CHOICES = "choices.jsonl"


def choices_of(
    arrays: Mapping[str, np.ndarray], config: ReconstructionConfig, generator: str
) -> list[dict[str, Any]]:
    """The lines of some images: what `draw_block` tells of their candidates."""
    lines = []
    for row, image_id in enumerate(arrays["image_ids"].tolist()):
        of_image = {"selection": config.selection, "generator": generator}
        if "spread" in arrays:
            of_image["spread"] = arrays["spread"][row].item()
        for candidate, score in enumerate(arrays["scores"][row].tolist()):
            seconds = arrays["seconds"][row, candidate].tolist()
            lines.append(
                {
                    "image_id": image_id,
                    "candidate": candidate,
                    "seed": candidate_seed(config.seed, image_id, candidate),
                    "score": score,
                    "chosen": candidate == int(arrays["chosen"][row]),
                    **of_image,
                    "seconds": dict(zip(STAGES, seconds, strict=True)),
                }
            )
    return lines


def write_choices(out: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Writes all lines, or none."""
    write_text(out / CHOICES, "".join(json.dumps(line) + "\n" for line in lines))


def read_choices(out: Path) -> list[dict[str, Any]]:
    """All lines; none where the file is gone."""
    path = out / CHOICES
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def add_to_choices(out: Path, of_image: Mapping[int, Mapping[str, Any]]) -> None:
    """Adds what was found later of some images to their lines."""
    lines = [line | of_image.get(line["image_id"], {}) for line in read_choices(out)]
    if lines:
        write_choices(out, lines)

"""Trust in pictures: a folder of validation images calibrates folders of the same settings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mindeye.config import differences, to_mapping
from mindeye.files import read_json, write_json
from mindeye.metrics.identification import two_way_wins
from mindeye.models.contrastive_head import embedding_of
from mindeye.pictures import as_images
from mindeye.reconstruction.choices import add_to_choices
from mindeye.reconstruction.opening import OpenRun
from mindeye.reconstruction.picture_folder import Reconstruction
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.reconstruction.uncertainty import (
    Calibration,
    calibration_record,
    doubts_of,
    fitted_calibration,
)
from mindeye.targets.clip import ClipTarget, load_clip
from mindeye.verbs.evaluation.pictures_beside import shown_pictures
from mindeye.verbs.saved_results import read_manifest, read_pictures, require_same_run

UNCERTAINTY = "uncertainty.json"
BATCH = 100


def opened_calibration(
    folder: Path, run: OpenRun, config: ReconstructionConfig, generator: str, trust: float
) -> Calibration:
    """What the pictures of a validation folder were worth; the only place that sees true images.

    Args:
        generator: identity of the one that draws what is calibrated.

    Raises:
        FileNotFoundError: no finished reconstructions there.
        ValueError: of other images than validation ones, of another run, subject or protocol, or
            of other settings; or see `fitted_calibration`.
    """
    drawn, manifest = read_pictures(folder), read_manifest(folder)
    about = manifest.about
    draw = f"Draw them: mindeye reconstruct {run.folder.path} --split validation --out FOLDER."
    if about["split"] != "validation":
        raise ValueError(
            f"{folder} holds {about['split']} images, but trust is calibrated on validation "
            f"images, so that test images stay unseen. {draw}"
        )
    require_same_run(folder, about, run.about, draw)
    if about.get("protocol", run.about["protocol"]) != run.about["protocol"]:
        raise ValueError(
            f"{folder} is of protocol {about['protocol']}, but {run.about['protocol']} is drawn: "
            "what holds for one says nothing of the other. Leave --calibration out."
        )
    ours, theirs = ({**to_mapping(one), "seed": None} for one in (config, manifest.settings))
    found = differences(
        {**ours, "generator": generator}, {**theirs, "generator": manifest.generator}
    )
    if found:
        raise ValueError(
            f"{folder} was drawn with other settings ({'; '.join(found[:3])[:300]}). "
            f"Calibrate with the settings that are drawn. {draw}"
        )
    shown = shown_pictures(run, drawn.image_ids, drawn.pictures.shape[1])
    clip = load_clip(run.provenance["paths"]["clip"])
    ours_seen, theirs_seen = (_embeddings(one, clip) for one in (drawn.pictures, shown))
    return fitted_calibration(
        doubts_of(drawn.chosen_scores, drawn.spread),
        two_way_wins(*(one[0] for one in (ours_seen, theirs_seen))).numpy().astype(np.float64),
        1 - (ours_seen[1] * theirs_seen[1]).sum(-1).numpy().astype(np.float64),
        trust=trust,
    )


def save_uncertainty(
    out: Path, drawn: Reconstruction, calibration: Calibration, folder: Path
) -> None:
    """Writes uncertainty.json, and what is expected of each image into choices.jsonl.

    Raises:
        ValueError: an older folder, without the measure that was calibrated.
    """
    found = doubts_of(drawn.chosen_scores, drawn.spread)
    if calibration.measure not in found:
        raise ValueError(
            f"{out} was drawn before the {calibration.measure} of candidates was kept, by which "
            "trust is calibrated here. Draw it into another folder."
        )
    doubts = found[calibration.measure]
    columns = {
        "doubt": doubts,
        "expected_two_way": calibration.two_way(doubts),
        "expected_clip_distance": calibration.clip_distance(doubts),
        "is_trusted": calibration.is_trusted(doubts),
    }
    of_image = {
        image_id: {name: values[row].item() for name, values in columns.items()}
        for row, image_id in enumerate(drawn.image_ids.tolist())
    }
    record = {
        "calibration": calibration_record(calibration),
        "sentence": calibration.sentence,
        "validation": str(folder.resolve()),
        "images": of_image,
    }
    write_json(out / UNCERTAINTY, record)
    told = ("expected_two_way", "is_trusted")
    add_to_choices(out, {one: {name: of_image[one][name] for name in told} for one in of_image})


def read_uncertainty(out: Path) -> Mapping[str, Any] | None:
    """What was found of a folder's pictures, by image id; None where nothing calibrated it.

    Raises:
        ValueError: the file is damaged.
    """
    path = out / UNCERTAINTY
    if not path.is_file():
        return None
    record = read_json(path)
    try:
        images = {int(image_id): dict(values) for image_id, values in record["images"].items()}
        return {"sentence": str(record["sentence"]), "images": images}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is not what --calibration writes. Remove it, and run `mindeye reconstruct` "
            "with --calibration again."
        ) from error


def marks_of(out: Path) -> dict[int, str]:
    """A few words about each picture that is not to be trusted."""
    found = read_uncertainty(out)
    images = {} if found is None else found["images"]
    return {
        image_id: f"not to be trusted: expected {one['expected_two_way']:.2f}"
        for image_id, one in images.items()
        if not one["is_trusted"]
    }


@torch.inference_mode()
def _embeddings(pictures: np.ndarray, clip: ClipTarget) -> tuple[torch.Tensor, torch.Tensor]:
    """CLIP's own embedding of each picture, and all of its tokens as one unit vector."""
    tokens = torch.cat(
        [
            clip.tokens(as_images(pictures[start : start + BATCH]))
            for start in range(0, len(pictures), BATCH)
        ]
    )
    return tokens[:, 0], embedding_of(tokens)

"""Peers' preprocessing of NSD by name: only what our settings express exactly.

| peer | betas | voxels | sessions | z-score | training, test rows | here |
|---|---|---|---|---|---|---|
| takagi | b3 | one stream | 37 | all training trials | single, averaged | `--peer takagi` |
| brain-diffuser | b3 | nsdgeneral | 37 | averages of training images | averaged, averaged | no |
| mindeye1 | b3 | nsdgeneral | 37 | session, test unknown | single or mean, averaged | its files |
| mindeye2 | b2 or b3 | nsdgeneral | 40 | training trials, how unknown | single | its files |
| mindbridge | as mindeye1 | pooled to 8192 | 37 | as mindeye1 | as mindeye1 | no |
| algonauts, brain-it | b3 fsaverage | vertices | all | session, all trials | averaged | no |
| berg | b3 | regions | all | session, NaN to 0 | validation: 485 shared images | no |
| brain-score | b3 | ncsnr above 30 % | all | twice: trials, then images | 515 images | no |

`takagi` has no validation, as their ridge regression was fitted to all 24,980 single trials.
Their scaler divides by N and ours by N - 1: 0.002 %, less than the 0.05 % that half precision
resolves. The regression does not see that their voxels stand in another order.

Source: yu-takagi/StableDiffusionReconstruction `codes/utils/make_subjmri.py`, `ridge.py`;
ozcelikfu/brain-diffuser `data/prepare_nsddata.py`; the repositories of the others.
"""

from collections.abc import Mapping
from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "takagi": {
        "protocol": "nsd-37-avg",
        "zscore": "train-global",
        "beta_version": "b3",
        "validation_share": 0.0,
    }
}
ROI_OF = {"takagi": "streams:"}
"""What a preset's ROI begins with; which one is up to the caller."""
PUBLISHED_FILES = "its z-scoring is not known. Use its own files: mindeye prepare {} FOLDER"
INEXACT: dict[str, str] = {
    "brain-diffuser": "it z-scores by averages of images, we by single trials",
    "mindeye1": PUBLISHED_FILES.format("mindeye1"),
    "mindeye2": PUBLISHED_FILES.format("mindeye2"),
    "mindbridge": "it starts from MindEye1's files and pools their voxels",
    "algonauts": "it takes betas of fsaverage",
    "brain-it": "it takes betas of fsaverage",
    "berg": "it validates on shared images",
    "brain-score": "it z-scores twice, by trials and then by images",
}


def with_preset(peer: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of `prepare_nsd` that prepare as a peer did, with what else was given.

    Raises:
        LookupError: no such peer, or one that cannot be expressed exactly; says why.
        ValueError: something given contradicts the preset, or the ROI is missing.
    """
    if peer not in PRESETS:
        known = f"Presets there are for {', '.join(PRESETS)}."
        if peer in INEXACT:
            raise LookupError(f"`{peer}` cannot be prepared exactly: {INEXACT[peer]}. {known}")
        raise LookupError(f"Unknown peer `{peer}`. {known}")
    preset = PRESETS[peer]
    wrong = [name for name in preset if name in given and given[name] != preset[name]]
    if wrong:
        raise ValueError(
            f"`{peer}` has {wrong[0]} {preset[wrong[0]]}, not {given[wrong[0]]}. "
            "Leave out one or the other."
        )
    if not str(given.get("roi", "")).startswith(ROI_OF[peer]):
        raise ValueError(
            f"`{peer}` decodes from one region at a time, named {ROI_OF[peer]}..., not "
            f"{given.get('roi', 'nsdgeneral')}. Name it, for example --roi {ROI_OF[peer]}early."
        )
    return {**given, **preset}

"""A made-up fMRIPrep folder, judging networks, a captioner, and the scans of another subject."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import nibabel
import numpy as np
import pytest
from scipy.stats import gamma

if TYPE_CHECKING:
    from torch import nn

SHAPE = (5, 4, 3)
AFFINE = np.array([[2.0, 0, 0, -8], [0, 2, 0, -7], [0, 0, 2, -6], [0, 0, 0, 1]])
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


class Recording(NamedTuple):
    """One subject's runs on disk, and what was planted in them."""

    root: Path
    """The raw BIDS folder: root/sub-01/func has the events."""
    folder: Path
    """root/derivatives/fmriprep/sub-01/func."""
    onsets: np.ndarray
    """(runs, trials)"""
    betas: np.ndarray
    """(runs, trials, x, y, z), percent signal change at the peak of the response."""

    def file(self, run: int, ending: str) -> Path:
        """Of a run, from 1: in fMRIPrep's folder."""
        spaced = "bold" in ending or "mask" in ending
        space = "_space-T1w" if spaced else ""
        return self.folder / f"sub-01_task-nsd_run-{run}{space}_{ending}"

    def events(self, run: int) -> Path:
        return self.root / "sub-01" / "func" / f"sub-01_task-nsd_run-0{run}_events.tsv"


@pytest.fixture(scope="session")
def write_fmriprep():
    return _write_fmriprep


@pytest.fixture
def recording(tmp_path) -> Recording:
    """Two runs of 12 trials of 3 s, some 14 s apart, 9 images in all."""
    return _write_fmriprep(tmp_path / "bids")


def _write_fmriprep(
    root: Path, *, betas=None, affine=AFFINE, repetition_time=1.5, duration=3.0, noise=0.1, seed=0
) -> Recording:
    """
    Args:
        betas: (runs, trials, x, y, z) in percent; None draws 2 runs of 12 trials.
        noise: standard deviation in percent; drift and motion are added in any case.
    """
    rng = np.random.default_rng(seed)
    if betas is None:
        betas = rng.normal(1, 1.5, (2, 12, *SHAPE))
    runs, trials = betas.shape[:2]
    folder = root / "derivatives" / "fmriprep" / "sub-01" / "func"
    # Of nilearn's steps, a fiftieth of a volume, so that its rounding of onsets has no part here.
    steps = np.rint((3 + np.arange(trials) * 14.0 + rng.uniform(0, 3, (runs, trials))) / 0.03)
    onsets = 0.03 * steps - 1e-6
    made = Recording(root, folder, onsets, betas)
    folder.mkdir(parents=True)
    made.events(1).parent.mkdir(parents=True)
    volumes = int(np.ceil((onsets.max() + 20) / repetition_time))
    times = repetition_time * np.arange(volumes)
    for run in range(runs):
        responses = np.stack([response(times - onset, duration) for onset in onsets[run]])
        change = np.einsum("ixyz,it->xyzt", betas[run], responses)
        motion = rng.normal(0, 0.05, (volumes, len(MOTION))).cumsum(0)
        drift = np.cos(np.pi * times / times[-1])
        change += 2 * drift + motion @ rng.normal(0, 4, len(MOTION))
        change += rng.normal(0, noise, change.shape)
        base = rng.uniform(800, 1200, betas.shape[2:])
        series = base[..., None] * (1 + change / 100)
        _save(made.file(run + 1, "desc-preproc_bold.nii.gz"), series, affine, repetition_time)
        _save(made.file(run + 1, "desc-brain_mask.nii.gz"), np.ones(base.shape), affine)
        sidecar = {"RepetitionTime": repetition_time, "TaskName": "nsd"}
        made.file(run + 1, "desc-preproc_bold.json").write_text(json.dumps(sidecar))
        _write_confounds(made.file(run + 1, "desc-confounds_timeseries.tsv"), motion)
        _write_events(made.events(run + 1), onsets[run], duration, run)
    return made


def response(times, duration):
    """Glover's response with a peak of 1, as a sum of shifted impulses: a definition of its own."""
    fine = np.arange(0, 60, 0.01)
    impulse = gamma.pdf(fine, 6 / 0.9, scale=0.9) - 0.35 * gamma.pdf(fine, 12 / 0.9, scale=0.9)
    summed = np.convolve(impulse, np.ones(max(1, round(duration / 0.01))))[: len(fine)]
    return np.interp(times, fine, summed / summed.max(), left=0, right=0)


def _save(path, values, affine, repetition_time=None):
    image = nibabel.Nifti1Image(values.astype(np.float32 if values.ndim == 4 else np.uint8), affine)
    if repetition_time is not None:
        image.header.set_zooms((2.0, 2.0, 2.0, repetition_time))
        image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)


def _write_confounds(path, motion):
    """As fMRIPrep writes them: derivatives have no value in the first volume."""
    derivatives = np.diff(motion, axis=0, prepend=np.nan)
    header = [*MOTION, *(f"{name}_derivative1" for name in MOTION), "framewise_displacement"]
    shift = np.abs(derivatives).sum(1, keepdims=True)
    rows = np.hstack([motion, derivatives, shift])
    cells = [["n/a" if np.isnan(one) else f"{one:.8f}" for one in row] for row in rows]
    path.write_text("\n".join("\t".join(row) for row in [header, *cells]) + "\n")


def _write_events(path, onsets, duration, run):
    images = [f"image{(row * 5 + run) % 9}.png" for row in range(len(onsets))]
    lines = [f"{onset:.6f}\t{duration}\tpicture\t{image}" for onset, image in zip(onsets, images)]
    path.write_text("onset\tduration\ttrial_type\tstim_file\n" + "\n".join(lines) + "\n")


def random_network(name: str) -> "nn.Module":
    """A network with random weights whose outputs are not all alike."""
    import torch

    from mindeye.targets.metric_networks.convolutional import CONVOLUTIONAL
    from mindeye.targets.metric_networks.lpips import BACKBONES, Lpips

    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name in BACKBONES:
            network = Lpips(BACKBONES[name])
            for head in network.heads:
                torch.nn.init.uniform_(head)
        else:
            network = CONVOLUTIONAL[name].empty()
        return _awake(network).eval().requires_grad_(False)


def _awake(network: "nn.Module") -> "nn.Module":
    """Batch norms learn statistics of pictures; untrained, deep layers say the same of all."""
    import torch

    from mindeye.targets.metric_networks.convolutional import normalised

    norms = [one for one in network.modules() if isinstance(one, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
    if norms:
        with torch.no_grad():
            network.train()(normalised(torch.rand(4, 3, 192, 192)))
    return network


@pytest.fixture(scope="session")
def judges(tmp_path_factory) -> Path:
    """Everything but CLIP and SigLIP2 and LPIPS (vgg); read only."""
    from mindeye.targets.metric_networks.folder import save_network

    folder = tmp_path_factory.mktemp("judges")
    names = ("alexnet", "inception", "efficientnet", "swav", "lpips-alex", "lpips-squeeze")
    for name in names:
        weights = random_network(name).state_dict()
        save_network(name, weights, {"https://example.org/file": "00"}, folder)
    return folder


WORDS = (
    *("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"),
    *("a", "the", "cat", "dog", "on", "sits", "grass", "red"),
)


@pytest.fixture(scope="session")
def tiny_captioner(tmp_path_factory) -> Path:
    """A GIT of random weights that knows eight words, as transformers lays it out; read only."""
    import torch
    from transformers import BertTokenizerFast, GitConfig, GitForCausalLM

    folder = tmp_path_factory.mktemp("captioner") / "tiny-git"
    vision = {
        "hidden_size": 12,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 16,
    }
    config = GitConfig(
        vision_config=vision,
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GitForCausalLM(config)
        for weight in model.parameters():
            # Transformers' start is so small that all pictures have one caption.
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=0.5)
        # At random weights a picture says little: louder, so that pictures have captions of theirs.
        model.git.visual_projection.visual_projection[1].weight.data.mul_(4)
        model.output.bias.data[[0, 1, 3, 4]] = -30.0
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def belonging_to():
    """(prepared folder of subject 1, number) -> nothing: its scans are now that subject's."""
    from mindeye.data.bundle import VoxelBundle
    from mindeye.files import sha256_of

    def change(folder, number: int) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["subject"] = number
        bundle = replace(VoxelBundle.load(folder / "bundle"), subject=number)
        shutil.rmtree(folder / "bundle")
        bundle.save(folder / "bundle")
        for path in folder.glob("*.tar"):
            content = path.read_bytes()
            path.write_bytes(content.replace(b'"subject": 1,', b'"subject": %d,' % number))
        manifest["sizes"] = {name: (folder / name).stat().st_size for name in manifest["sizes"]}
        manifest["files"] = {name: sha256_of(folder / name) for name in manifest["files"]}
        manifest["voxel_hash"] = bundle.voxel_hash
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return change

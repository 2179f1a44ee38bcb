"""A folder of judging networks: one subfolder each, safetensors only, written once."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mindeye.files import atomic_folder, read_json, sha256_of, write_json
from mindeye.targets.metric_networks import contrastive
from mindeye.targets.metric_networks.convolutional import CONVOLUTIONAL, convolutional_judge
from mindeye.targets.metric_networks.lpips import BACKBONES, Lpips, lpips_judge
from mindeye.targets.metric_networks.network import MetricNetwork, PairNetwork
from mindeye.targets.metric_networks.published_files import PUBLISHED_NETWORKS

VARIABLE = "MINDEYE_NETWORKS"
WEIGHTS_FILE, ORIGIN_FILE = "model.safetensors", "origin.json"
Judge = MetricNetwork | PairNetwork


@dataclass(frozen=True, kw_only=True)
class OpenedNetworks:
    """Those that were there, and for each of the others a line that says what to do."""

    networks: Mapping[str, Judge]
    absent: Mapping[str, str]


def open_networks(
    folder: Path | None = None,
    device: torch.device | str = "cpu",
    names: Sequence[str] | None = None,
) -> OpenedNetworks:
    """Opens the judging networks of a folder; nothing is ever fetched.

    Args:
        folder: None takes the one that the environment variable MINDEYE_NETWORKS names.
        names: which of `PUBLISHED_NETWORKS`; None takes all.

    Raises:
        FileNotFoundError: there is no such folder.
        LookupError: an unknown name.
        ValueError: weights that are damaged, or of another network.
    """
    names = list(PUBLISHED_NETWORKS) if names is None else list(names)
    unknown = [name for name in names if name not in PUBLISHED_NETWORKS]
    if unknown:
        raise LookupError(
            f"Unknown network `{unknown[0]}`. Choose one of {', '.join(PUBLISHED_NETWORKS)}."
        )
    if folder is None and VARIABLE in os.environ:
        folder = Path(os.environ[VARIABLE])
    if folder is not None and not folder.is_dir():
        raise FileNotFoundError(
            f"There is no folder of networks at {folder}. Is its name right? See "
            "`python data_scripts/metric_networks.py --help`."
        )
    there = [name for name in names if folder is not None and _files_of(name, folder)]
    return OpenedNetworks(
        networks={name: _open(name, folder, device) for name in there},
        absent={name: _absent(name, folder) for name in names if name not in there},
    )


def save_network(name: str, weights: Mapping[str, Tensor], origin: Mapping, out: Path) -> None:
    """Writes what `open_networks` opens; of the weights only those that the metric needs.

    Args:
        origin: addresses and hashes of the files that the weights come from.

    Raises:
        ValueError: a weight is absent or of another shape; the folder holds something.
    """
    place = out / name
    if place.exists():
        raise ValueError(f"{place} exists. Remove it to make it again.")
    network = _empty(name)
    kept = {key: weights[key] for key in network.state_dict() if key in weights}
    # Older files lack these counters, which nothing reads after training.
    counters = [key for key in network.state_dict() if key.endswith("num_batches_tracked")]
    kept = {**dict.fromkeys(counters, torch.tensor(0)), **kept}
    _require_fit(network, kept, f"The file of {name}")
    with atomic_folder(place) as temporary:
        save_file({key: one.contiguous() for key, one in kept.items()}, temporary / WEIGHTS_FILE)
        write_json(temporary / ORIGIN_FILE, dict(origin))
        (temporary / WEIGHTS_FILE).chmod(0o644)


def _empty(name: str) -> nn.Module:
    """The network's shapes without values: no random start, no second copy in memory."""
    empty: Callable[[], nn.Module] = (
        partial(Lpips, BACKBONES[name]) if name in BACKBONES else CONVOLUTIONAL[name].empty
    )
    with torch.device("meta"):
        return empty()


def _require_fit(network: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    wanted = {key: tuple(one.shape) for key, one in network.state_dict().items()}
    found = {key: tuple(one.shape) for key, one in weights.items()}
    differing = [key for key in {**wanted, **found} if wanted.get(key) != found.get(key)]
    if differing:
        key = differing[0]
        raise ValueError(
            f"{source} does not fit: `{key}` is {found.get(key, 'absent')}, not "
            f"{wanted.get(key, 'absent')}. Is it the file that `metric_networks.py --list` names?"
        )


def _files_of(name: str, folder: Path) -> bool:
    hub = PUBLISHED_NETWORKS[name].hub is not None
    wanted = (contrastive.CONFIG_FILE, contrastive.WEIGHTS_FILE) if hub else (WEIGHTS_FILE,)
    return all((folder / name / one).is_file() for one in wanted)


def _absent(name: str, folder: Path | None) -> str:
    looked = (
        f"no folder of networks was given (or set {VARIABLE})"
        if folder is None
        else f"there is no {folder / name}"
    )
    out = folder or "NETWORKS"
    return (
        f"{name}: {looked}; fetch it ({PUBLISHED_NETWORKS[name].terms}) with "
        f"`python data_scripts/metric_networks.py {name} --out {out}`"
    )


def _open(name: str, folder: Path, device: torch.device | str) -> Judge:
    if PUBLISHED_NETWORKS[name].hub is not None:
        return contrastive.contrastive_judge(name, folder / name, device)
    path = folder / name / WEIGHTS_FILE
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged ({error}). Convert or fetch it again.") from error
    network = _empty(name)
    _require_fit(network, weights, str(path))
    network.load_state_dict(weights, assign=True)
    network = network.eval().requires_grad_(False).to(device)
    identity = f"{name} sha256:{sha256_of(path)}{_origin(folder / name / ORIGIN_FILE)}"
    if name in BACKBONES:
        return lpips_judge(name, network, identity)
    return convolutional_judge(name, network, identity)


def _origin(path: Path) -> str:
    return f" from {', '.join(read_json(path))}" if path.is_file() else ""

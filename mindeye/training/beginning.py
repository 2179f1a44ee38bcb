"""What a training reads and writes before its first step."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from accelerate import Accelerator
from torch import Tensor

from mindeye.data.batches import PreparedSubject
from mindeye.models.saved import save_architecture
from mindeye.run import RunFolder
from mindeye.training.compute import require_possible
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.fixed_targets import check_targets
from mindeye.training.kept_subjects import keep_bundles, kept_subjects, voxels_of
from mindeye.training.networks import FrozenNetworks, open_networks
from mindeye.training.plan import blank_decoder, prepared_subjects
from mindeye.training.provenance import provenance_of
from mindeye.training.ridge_start import require_ridge_start
from mindeye.training.room import bytes_of_run, numbers_in, require_room
from mindeye.training.starting import checked_start
from mindeye.training.subjects import Material


class Opened(NamedTuple):
    """What a training reads before it writes anything."""

    prepared: Sequence[PreparedSubject]
    networks: FrozenNetworks
    start: Mapping[str, Tensor]


def opened(config: ExperimentConfig, run: RunFolder, accelerator: Accelerator) -> Opened:
    """Opens data, networks and start; refuses what does not fit."""
    require_possible(
        config.compute,
        accelerator.device,
        num_processes=accelerator.num_processes,
        is_sharded=accelerator.is_fsdp2,
        in_turns=bool(config.schedule.micro_batch),
    )
    prepared = prepared_subjects(config)
    networks = open_networks(config, accelerator.device)
    blank = blank_decoder(config, prepared, networks)
    start = checked_start(blank, config, networks, prepared)
    require_ridge_start(config, prepared, start, run)
    if accelerator.is_local_main_process and not run.is_finished:
        for one in prepared:
            one.verify(("train", "validation"))
        check_targets(prepared, networks)
    if accelerator.is_main_process and not run.is_finished:
        require_room(run.path, bytes_of_run(*numbers_in(blank), config.choice))
    return Opened(prepared, networks, start)


def begin(
    config: ExperimentConfig,
    run: RunFolder,
    accelerator: Accelerator,
    opened: Opened,
    accept_changes: bool = False,
) -> None:
    """Begins the run in the first process; the others must find it."""
    if accelerator.is_main_process:
        provenance = provenance_of(config, opened.prepared, opened.networks)
        run.begin(config, provenance, accept_changes=accept_changes)
    elif not run.config_path.exists():
        raise FileNotFoundError(
            f"{run.path} was begun by the first process, but another one does not see it. "
            "Choose a folder that all nodes share."
        )


def describe(
    config: ExperimentConfig, run: RunFolder, accelerator: Accelerator, material: Material
) -> None:
    """Writes whose voxels and which architecture the run has."""
    if not accelerator.is_main_process:
        return
    subjects, networks = material.subjects, material.networks
    for number, one in subjects.items():
        bundle = run.path / "bundle" / f"subj{number:02d}"
        if not bundle.exists():
            one.prepared.bundle.save(bundle)
    keep_bundles(config, run, kept_subjects(config, subjects))
    save_architecture(
        run.path,
        config.network,
        num_voxels_of=voxels_of(config, [one.prepared for one in subjects.values()]),
        token_shape=networks.clip.token_shape,
        latent_shape=networks.vae.latent_shape,
    )

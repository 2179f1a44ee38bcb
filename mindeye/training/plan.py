"""What a training will cost, before it costs it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mindeye.data.batches import PreparedSubject
from mindeye.data.origin import people_of
from mindeye.models.decoder import Decoder
from mindeye.models.prior import PriorConfig
from mindeye.training.choice import require_validation
from mindeye.training.compute import MOMENT_BYTES, ComputeConfig
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.fixed_targets import absent_bytes
from mindeye.training.hardware import Hardware
from mindeye.training.kept_subjects import voxels_of
from mindeye.training.leaks import require_no_leak
from mindeye.training.length import length_of
from mindeye.training.networks import FrozenNetworks, open_networks
from mindeye.training.ridge_start import require_ridge_start
from mindeye.training.room import bytes_of_run, numbers_in
from mindeye.training.starting import checked_start
from mindeye.training.step_cost import StepCost, step_cost

BYTES_PER_WEIGHT = 4
# A weight is read on the way forward and back, its gradient written and read; AdamW reads and
# writes the weight and its moments.
PASSES_OVER_WEIGHTS = 6


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    parameters_of: dict[str, int]
    """Part of the decoder -> its number of parameters."""
    trained: frozenset[str]
    """Those parts that learn; the others stay as they are."""
    num_steps: int
    images_of: dict[int, int]
    """Subject -> training images."""
    batch: int
    cost: StepCost
    compute: ComputeConfig
    cache_bytes: int
    """Of targets that are not yet embedded, beside the prepared scans."""
    run_bytes: int
    """The most that the run folder holds."""

    @property
    def num_parameters(self) -> int:
        return sum(self.parameters_of.values())

    @property
    def num_trained(self) -> int:
        return sum(self.parameters_of[name] for name in self.trained)

    @property
    def memory_of(self) -> dict[str, int]:
        """What is held at once -> bytes; activations are counted, the rest follows."""
        gradients = BYTES_PER_WEIGHT * self.num_trained
        return {
            "weights": BYTES_PER_WEIGHT * self.num_parameters,
            # Each is freed when its weight is updated: the largest part bounds what is left.
            "gradients": 0 if self.compute.free_gradients else gradients,
            "optimizer": int(MOMENT_BYTES[self.compute.optimizer_state] * self.num_trained),
            "activations": self.cost.activation_bytes,
        }

    @property
    def moved_bytes(self) -> int:
        """What one step reads and writes of weights, gradients and optimizer."""
        moments = 2 * MOMENT_BYTES[self.compute.optimizer_state]
        return int((PASSES_OVER_WEIGHTS * BYTES_PER_WEIGHT + moments) * self.num_trained)

    def hours(self, hardware: Hardware) -> float:
        """What all steps take at least."""
        flop = self.cost.flop + self.cost.target_flop
        return hardware.hours(self.num_steps, flop, self.moved_bytes)


def plan_of(config: ExperimentConfig) -> TrainingPlan:
    """Counts without allocating the decoder; reads manifests, trains nothing.

    Raises:
        LookupError: `parts` that the decoder does not have.
        ValueError: as `prepared_subjects`, `blank_decoder` and `starting_weights`.
    """
    prepared = prepared_subjects(config)
    networks = open_networks(config)
    decoder = blank_decoder(config, prepared, networks)
    start = checked_start(decoder, config, networks, prepared)
    require_ridge_start(config, prepared, start)
    images_of = {one.subject: _num_images(one) for one in prepared}
    length = length_of(config.schedule, images_of)
    return TrainingPlan(
        parameters_of={
            name: sum(parameter.numel() for parameter in part.parameters())
            for name, part in decoder.named_children()
        },
        trained=frozenset(
            name
            for name, part in decoder.named_children()
            if any(parameter.requires_grad for parameter in part.parameters())
        ),
        num_steps=length.num_steps,
        images_of=images_of,
        batch=config.schedule.batch,
        compute=config.compute,
        cache_bytes=sum(absent_bytes(one, networks) for one in prepared),
        run_bytes=bytes_of_run(*numbers_in(decoder), config.choice),
        # Last: it takes the decoder to another device.
        cost=step_cost(decoder, config, length, networks),
    )


def prepared_subjects(config: ExperimentConfig) -> list[PreparedSubject]:
    """Opens the prepared folders of a training.

    Raises:
        FileNotFoundError: no prepared folder there.
        ValueError: none, one that only tests, one subject twice, fewer images than a batch takes,
            a test image that is or was a training image (`require_no_leak`), or no validation
            images to choose by.
    """
    if not config.data:
        raise ValueError(
            "`data` names no prepared folder, but training needs one for each subject. "
            "Make one with `mindeye prepare`."
        )
    prepared = [PreparedSubject(path) for path in config.data]
    for one in prepared:
        if one.is_test_only:
            raise ValueError(
                f"{one.path} holds {one.manifest['protocol']}, which only tests: there is nothing "
                "to train on. Train on the subject's main sessions, and test with --data."
            )
    _require_once(prepared)
    length_of(config.schedule, {one.subject: _num_images(one) for one in prepared})
    require_no_leak(prepared, config.start_from)
    require_validation(config.choice, sum(_num_images(one, "validation") for one in prepared))
    return prepared


def _require_once(prepared: Sequence[PreparedSubject]) -> None:
    """A decoder knows its ridge layers by the number of the subject alone."""
    folder_of: dict[int, PreparedSubject] = {}
    for one in prepared:
        other = folder_of.setdefault(one.subject, one)
        if other is one:
            continue
        if people_of(one.manifest) != people_of(other.manifest):
            raise ValueError(
                f"{other.path} is of subject {one.subject} of {other.manifest['dataset']}, "
                f"{one.path} of subject {one.subject} of {one.manifest['dataset']}: two people "
                "with one number. Train on one, then on the other with `start_from`."
            )
        raise ValueError(
            f"{other.path} and {one.path} are both of subject {one.subject}. "
            "Name each subject once in `data`; more sessions belong into one folder."
        )


def blank_decoder(
    config: ExperimentConfig,
    prepared: Sequence[PreparedSubject],
    networks: FrozenNetworks,
) -> Decoder:
    """The decoder of a training without memory for its weights.

    Raises:
        ValueError: the configuration does not fit the frozen networks.
    """
    width, head_width = networks.clip.token_shape[1], config.decoder.prior.head_width
    if isinstance(config.decoder.prior, PriorConfig) and width % head_width:
        divisors = [str(one) for one in range(8, width + 1) if width % one == 0]
        raise ValueError(
            f"`decoder.prior.head_width` is {head_width}, but the CLIP's tokens are {width} wide. "
            f"Choose a divisor of {width}: {', '.join(divisors)}."
        )
    with torch.device("meta"):
        return Decoder(
            config.network,
            num_voxels_of=voxels_of(config, prepared),
            token_shape=networks.clip.token_shape,
            latent_shape=networks.vae.latent_shape,
        )


def _num_images(prepared: PreparedSubject, split: str = "train") -> int:
    return prepared.manifest["splits"].get(split, {}).get("num_images", 0)

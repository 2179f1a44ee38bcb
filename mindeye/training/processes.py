"""How many processes train, what each of them does, and how they end together."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs, InitProcessGroupKwargs
from accelerate.utils import DistributedType

from mindeye.models.mixer_backbone import MixerBackboneConfig
from mindeye.training.among_processes import first_failure, num_processes, numbers_of_all
from mindeye.training.compute import accelerate_precision
from mindeye.training.experiment import ExperimentConfig, ScheduleConfig
from mindeye.training.share import process_share

Result = TypeVar("Result")

# A process that does not answer for so long is lost. Where it ends, the others see it at once
# (gloo) or are ended by their launcher; this is for networks that go silent.
SILENCE = timedelta(minutes=10)


def started_accelerator(config: ExperimentConfig) -> Accelerator:
    """The processes that a launcher has started, as its environment says; one without launcher.

    Raises:
        ValueError: the batch cannot be shared evenly, or they would train in a way that is not
            known to give the same weights.
    """
    accelerator = Accelerator(
        mixed_precision=accelerate_precision(config.compute),
        step_scheduler_with_optimizer=False,
        kwargs_handlers=[
            DistributedDataParallelKwargs(find_unused_parameters=_may_leave_out(config)),
            InitProcessGroupKwargs(timeout=SILENCE),
        ],
    )
    together(lambda: _require_known(accelerator, config.schedule))
    return accelerator


def _require_known(accelerator: Accelerator, schedule: ScheduleConfig) -> None:
    process_share(schedule.batch, accelerator.process_index, accelerator.num_processes)
    kind = accelerator.distributed_type
    sharding = os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"
    if kind is DistributedType.DEEPSPEED:
        raise ValueError(
            "DeepSpeed was asked for, but its steps have not been shown to equal those of one "
            "process. Use train/configs/accelerate/fsdp2.yaml to share out memory."
        )
    if sharding and not accelerator.is_fsdp2:
        raise ValueError(
            f"Sharding was asked for, but accelerate made it {kind.value}: it shards by FSDP2, on "
            "GPUs alone. Use train/configs/accelerate/fsdp2.yaml on GPUs, or ddp.yaml."
        )


def how_it_trains(accelerator: Accelerator, schedule: ScheduleConfig) -> str:
    """One line: processes, global batch, learning rate, precision."""
    processes, batch = accelerator.num_processes, schedule.batch
    own = batch // processes
    turns = f" in turns of {schedule.micro_batch}" if (schedule.micro_batch or own) < own else ""
    kind = " (weights sharded)" if accelerator.is_fsdp2 else ""
    precision = {"no": "float32"}.get(accelerator.mixed_precision, accelerator.mixed_precision)
    return (
        f"{processes} process{'es' if processes > 1 else ''}{kind} on {accelerator.device.type}; "
        f"batch of {batch} images = {processes} x {own}{turns}; learning rate "
        f"{schedule.learning_rate:g} at its peak, not scaled by the number of processes; "
        f"{precision}"
    )


def together(work: Callable[[], Result]) -> Result:
    """Does the same in every process; where it fails in one, it fails in all.

    Raises:
        ValueError: it failed in another process, with that process' message.
    """
    if num_processes() == 1:
        return work()
    result, error = None, None
    try:
        result = work()
    except (ValueError, LookupError, OSError, FloatingPointError) as found:
        error = found
    failed = first_failure(None if error is None else _message(error))
    if error is None and failed is not None:
        process, message = failed
        error = ValueError(f"Process {process}: {message}")
    if error is not None:
        error.is_everywhere = True
        raise error
    return result


def main_first(accelerator: Accelerator, work: Callable[[], Result]) -> Result:
    """Work that writes what others then find: the first process, the first of each node, the rest.

    Raises:
        ValueError: it failed in another process, with that process' message.
    """
    turn = 2
    if accelerator.is_main_process:
        turn = 0
    elif accelerator.is_local_main_process:
        turn = 1
    found: list[Result] = []
    for now in range(3 if accelerator.num_processes > 1 else 1):
        together(lambda mine=turn == now: found.append(work()) if mine else None)
    return found[0]


def agree_on(number: int, name: str) -> None:
    """Refuses processes that begin differently.

    Raises:
        ValueError: names the numbers.
    """
    numbers = numbers_of_all(number)
    if len(set(numbers)) > 1:
        error = ValueError(
            f"The processes do not agree on the {name}: {', '.join(map(str, numbers))}. "
            "Do all nodes share the run folder?"
        )
        error.is_everywhere = True
        raise error


@contextmanager
def ending_together() -> Iterator[None]:
    """Tells once what ended the processes of a training, and what to do.

    Raises:
        OneProcessError: this process failed while the others went on.
        ValueError: another one did.
    """
    try:
        yield
    except FloatingPointError:
        # Losses are those of all processes.
        raise
    except (ValueError, LookupError, OSError) as error:
        if num_processes() == 1 or getattr(error, "is_everywhere", False):
            raise
        raise OneProcessError(_message(error)) from error
    except RuntimeError as error:
        if num_processes() == 1 or not _is_of_connection(error):
            raise
        raise ValueError(
            "Another process of this training ended, so this one ends too. The last checkpoint is "
            "kept: run the same command again, and it goes on from there."
        ) from error


class OneProcessError(ValueError):
    """What went wrong in one process alone: no other one will tell it."""

    def __init__(self, message: str) -> None:
        super().__init__(f"Process {torch.distributed.get_rank()}: {message}")
        self.is_told_here = True


def _may_leave_out(config: ExperimentConfig) -> bool:
    """Whether a step may leave weights without gradient: DDP has to search for them then.

    Ridge layers of subjects that are not in its batch, heads without loss, published weights that
    no output depends on, and whatever a run that is started from had.
    """
    losses, backbone = config.losses, config.decoder.backbone
    some_heads = not (losses.contrastive and losses.prior)
    idle = isinstance(backbone, MixerBackboneConfig) and backbone.keep_idle
    return len(config.data) > 1 or some_heads or idle or config.start_from is not None


def _message(error: BaseException) -> str:
    return str(error.args[0] if isinstance(error, KeyError) and error.args else error)


def _is_of_connection(error: RuntimeError) -> bool:
    told = str(error).lower()
    return isinstance(error, torch.distributed.DistError) or "gloo" in told or "nccl" in told

"""One of several processes: takes steps as a training does; the first one saves what came out.

Started by torch.distributed.run from test_processes.py.
"""

import json
import os
import sys
from pathlib import Path

import torch
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from safetensors.torch import save_file
from torch.distributed.tensor import DTensor

from mindeye.config import load_yaml
from mindeye.training import loop, processes, step
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.sharded import gathered
from mindeye.training.state import TrainingState


def shard_on_the_cpu() -> None:
    """Accelerate shards on GPUs alone; PyTorch's FSDP2 runs on CPUs too."""
    plain = processes.Accelerator

    def sharding(**settings):
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=2,
            auto_wrap_policy="transformer_based_wrap",
            transformer_cls_names_to_wrap=["TokenHead"],
            cpu_ram_efficient_loading=False,
        )
        accelerator = plain(**settings, fsdp_plugin=plugin)
        for shared in (AcceleratorState._shared_state, PartialState._shared_state):
            shared["distributed_type"], shared["fsdp_plugin"] = DistributedType.FSDP, plugin
        return accelerator

    processes.Accelerator = sharding


def is_spread(value: object) -> bool:
    return isinstance(value, DTensor)


def main(config: Path, out: Path, kind: str) -> None:
    if kind == "sharded":
        shard_on_the_cpu()
    plain, gradients, losses = step.add_gradients, {}, []

    def recording(state, *arguments):
        values = plain(state, *arguments)
        losses.append({name: value.item() for name, value in values[0].items()})
        if not gradients:
            parts = gathered(
                {
                    name: one.grad
                    for name, one in state.decoder.named_parameters()
                    if one.grad is not None
                }
            )
            gradients.update({name: one.clone() for name, one in parts.items()})
        return values

    whole: set[str] = set()
    full_weights, full_optimizer = TrainingState.full_weights, TrainingState.full_optimizer

    def weights_of(state):
        spread = {name for name, one in state.decoder.state_dict().items() if is_spread(one)}
        found = full_weights(state)
        whole.update(f"weights/{name}" for name in spread if found[name] is not None)
        return found

    def moments_of(state):
        own, found = state.optimizer.state_dict()["state"], full_optimizer(state)
        names = [(place, name) for place, of_one in own.items() for name in of_one]
        spread = [one for one in names if is_spread(own[one[0]][one[1]])]
        held = [one for one in spread if found["state"][one[0]][one[1]] is not None]
        whole.update(f"{name}/{place}" for place, name in held)
        return found

    TrainingState.full_weights, TrainingState.full_optimizer = weights_of, moments_of
    step.add_gradients = recording
    loop.train(load_yaml(ExperimentConfig, config), out / "run")
    rank = os.environ.get("RANK", "0")
    (out / f"whole_{rank}.json").write_text(json.dumps(sorted(whole)))
    if rank == "0":
        save_file(gradients, out / "gradients.safetensors")
        (out / "losses.json").write_text(json.dumps(losses))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])

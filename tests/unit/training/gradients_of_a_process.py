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

from mindeye.config import load_yaml
from mindeye.training import loop, processes, step
from mindeye.training.experiment import ExperimentConfig
from mindeye.training.sharded import gathered


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

    step.add_gradients = recording
    loop.train(load_yaml(ExperimentConfig, config), out / "run")
    if os.environ.get("RANK", "0") == "0":
        save_file(gradients, out / "gradients.safetensors")
        (out / "losses.json").write_text(json.dumps(losses))
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])

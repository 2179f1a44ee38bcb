import pytest
import torch
from torch import nn

from mindeye.training import loop
from mindeye.training.compute import ComputeConfig
from mindeye.training.loop import train
from mindeye.training.savings import savings_of


def test_savings_are_the_bytes_of_moments_and_of_all_gradients_but_the_largest():
    module = nn.ModuleList([nn.Linear(1000, 2000, bias=False), nn.Linear(1000, 500, bias=False)])
    found = {one.option: one.num_bytes for one in savings_of(module, ComputeConfig())}
    assert found == {
        "compute.optimizer_state: int8": pytest.approx(2.5e6 * 5.96875),
        "compute.optimizer_state: bfloat16": 2.5e6 * 4,
        "compute.free_gradients: true": 0.5e6 * 4,
    }
    assert list(found.values()) == sorted(found.values(), reverse=True)
    module[1].requires_grad_(False)
    taken = ComputeConfig(optimizer_state="bfloat16", free_gradients=True)
    (left,) = savings_of(module, taken)
    assert left.option == "compute.optimizer_state: int8"
    assert left.num_bytes == pytest.approx(2e6 * 1.96875)


def test_a_full_device_is_told_with_what_would_save_how_much(
    tiny_experiment, tmp_path, monkeypatch
):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.01 GiB")

    monkeypatch.setattr(loop, "one_step", full)
    message = (
        r"no room .* batch of 8.*optimizer_state: int8 saves 0\.\d\d GB; .*micro_batch below 8"
    )
    with pytest.raises(MemoryError, match=message) as raised:
        train(tiny_experiment, tmp_path / "run")
    assert isinstance(raised.value.__cause__, torch.OutOfMemoryError)

"""Spread weights in one process, which holds all parts: gathered, and taken over again."""

import copy

import pytest
import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from mindeye.training.sharded import (
    gathered,
    gathered_by,
    in_one_piece,
    load_optimizer,
    load_weights,
)


@pytest.fixture
def mesh():
    """A group of this process alone."""
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    torch.distributed.destroy_process_group()


def trained(mesh=None) -> tuple[nn.Module, torch.optim.Optimizer]:
    """Two layers after two steps of AdamW; with a mesh, spread over its processes."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 2))
    if mesh is not None:
        fully_shard(module, mesh=mesh)
    groups = [{"params": [*one.parameters()]} for one in reversed(module)]
    optimizer = torch.optim.AdamW(groups, lr=0.1)
    for step in range(2):
        module(torch.full((3, 4), 1.0 + step)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return module, optimizer


def spread(value) -> int:
    """How many tensors of a mapping or list are spread."""
    if isinstance(value, dict):
        return sum(map(spread, value.values()))
    if isinstance(value, list):
        return sum(map(spread, value))
    return isinstance(value, DTensor)


def test_a_keeper_has_whole_weights_and_moments_and_others_have_none(mesh):
    (plain, optimizer), (module, sharded) = trained(), trained(mesh)
    for own, whole in (
        (module.state_dict(), plain.state_dict()),
        (sharded.state_dict(), optimizer.state_dict()),
    ):
        assert spread(dict(own)) >= 4
        for found in (gathered(own), gathered_by(own, True)):
            assert spread(found) == 0
            torch.testing.assert_close(found, dict(whole))
    state = gathered_by(sharded.state_dict(), False)["state"]
    # The count of steps is not spread: everyone has it.
    assert [one["exp_avg"] for one in state.values()] == [None] * 4
    assert all(one["step"] == 2 for one in state.values())


def test_spread_weights_and_moments_go_on_as_whole_ones_do(mesh):
    plain, optimizer = trained()
    kept = copy.deepcopy((plain.state_dict(), optimizer.state_dict()))
    module, sharded = trained(mesh)
    with torch.no_grad():
        for one in module.parameters():
            one.zero_()
    for own in sharded.state.values():
        own["exp_avg"].zero_()
    load_weights(module, kept[0])
    load_optimizer(sharded, kept[1])
    assert all(isinstance(one, DTensor) for one in module.parameters())
    assert all(isinstance(own["exp_avg"], DTensor) for own in sharded.state.values())
    for one, its in ((plain, optimizer), (module, sharded)):
        one(torch.ones(3, 4)).square().sum().backward()
        its.step()
    torch.testing.assert_close(gathered(module.state_dict()), dict(plain.state_dict()))


def test_parts_of_spread_weights_are_asked_one_by_one_and_spread_again(mesh):
    (plain, _), (module, _) = trained(), trained(mesh)
    given = torch.ones(3, 4)
    with in_one_piece(module):
        torch.testing.assert_close(module[0](given), plain[0](given))
    assert all(isinstance(one, DTensor) for one in module.parameters())
    with pytest.raises(ZeroDivisionError), in_one_piece(module):
        raise ZeroDivisionError
    assert all(isinstance(one, DTensor) for one in module.parameters())

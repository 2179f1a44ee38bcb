"""The cost of a step that is not computed is that of the step that is."""

from dataclasses import replace

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from mindeye.data.batches import PreparedSubject
from mindeye.training.compute import ComputeConfig
from mindeye.training.drawn_step import drawn_step
from mindeye.training.forward import StepForward
from mindeye.training.length import length_of
from mindeye.training.networks import open_networks
from mindeye.training.plan import blank_decoder
from mindeye.training.share import whole
from mindeye.training.step_batch import step_batch
from mindeye.training.step_cost import step_cost
from mindeye.training.subjects import Material


def counted(experiment, prepared):
    networks = open_networks(experiment)
    decoder = blank_decoder(experiment, [PreparedSubject(prepared)], networks)
    return step_cost(decoder, experiment, length_of(experiment.schedule, {1: 24}), networks)


def test_flop_and_kept_bytes_are_those_of_a_step_that_is_computed(
    tiny_experiment, tiny_prepared, subject
):
    config, networks = tiny_experiment, open_networks(tiny_experiment)
    decoder = blank_decoder(config, [PreparedSubject(tiny_prepared)], networks)
    decoder = decoder.to_empty(device="cpu").train()
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    length, cpu = length_of(config.schedule, {1: 24}), torch.device("cpu")
    generator = torch.Generator().manual_seed(0)
    material = Material(subjects={1: subject}, networks=networks)
    rows, phase = next(length.batches(0, 0)), length.phase(0, config.losses, by_epoch=False)
    batch = step_batch(config, material, rows, generator, cpu)
    quirks = config.quirks.resolved()
    step = drawn_step(decoder.prior, batch, config.losses, phase, quirks, generator)
    weights = {one.data_ptr() for one in decoder.parameters()}
    kept, held = {}, []

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
            held.append(tensor)
        return tensor

    with FlopCounterMode(display=False) as counter:
        with saved_tensors_hooks(keep, lambda tensor: tensor):
            losses, _ = StepForward(decoder, networks.vae)(step, config.losses, phase, whole(8))
        sum(losses.values()).backward()
    cost = counted(config, tiny_prepared)
    assert cost.flop == counter.get_total_flops() > 0
    assert abs(cost.activation_bytes / sum(kept.values()) - 1) < 0.02
    assert cost.target_flop == 0


def test_a_batch_in_parts_keeps_less_and_computes_a_forward_more(tiny_experiment, tiny_prepared):
    at_once = counted(tiny_experiment, tiny_prepared)
    schedule = replace(tiny_experiment.schedule, micro_batch=2)
    in_parts = counted(replace(tiny_experiment, schedule=schedule), tiny_prepared)
    assert in_parts.activation_bytes == at_once.activation_bytes // 4
    assert 1.2 < in_parts.flop / at_once.flop < 1.5


def test_recomputed_blocks_keep_less_and_compute_more(tiny_experiment, tiny_prepared):
    at_once = counted(tiny_experiment, tiny_prepared)
    compute = ComputeConfig(recompute_blocks=True)
    again = counted(replace(tiny_experiment, compute=compute), tiny_prepared)
    assert again.activation_bytes < at_once.activation_bytes
    assert again.flop > at_once.flop

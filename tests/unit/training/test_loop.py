from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mindeye.data.batches import PreparedSubject
from mindeye.models.saved import load_decoder
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae
from mindeye.training.loop import derived_seed, epochs, train
from mindeye.training.optimizer import decay_groups
from mindeye.training.subjects import open_subject, take

NUM_STEPS = 12


class PowerCutError(Exception):
    """Raised where a kill would strike."""


def cut_at(step: int):
    def progress(done, total, values):
        if done == step:
            raise PowerCutError

    return progress


def weights_of(run) -> dict[str, torch.Tensor]:
    return load_file(run.weights_path)


def assert_same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=0, msg=name)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Weights and log by seed, trained once each."""
    trained = {}

    def run_of(experiment):
        if experiment.seed not in trained:
            folder = tmp_path_factory.mktemp("runs") / f"seed{experiment.seed}"
            trained[experiment.seed] = train(experiment, folder)
        return trained[experiment.seed]

    return run_of


@pytest.fixture
def subject(tiny_experiment, tiny_prepared):
    return open_subject(
        PreparedSubject(tiny_prepared),
        load_clip(tiny_experiment.clip),
        load_vae(tiny_experiment.vae),
    )


@pytest.mark.parametrize("cut", [2, 5, 9])
def test_a_resumed_training_ends_in_the_same_bits(cut, tiny_experiment, uninterrupted, tmp_path):
    with pytest.raises(PowerCutError):
        train(tiny_experiment, tmp_path / "run", progress=cut_at(cut))
    assert (tmp_path / "run" / "checkpoint.pt").exists()
    steps = []
    resumed = train(tiny_experiment, tmp_path / "run", progress=lambda *now: steps.append(now[0]))
    # The checkpoint of a step is written after its progress: that step is done again.
    assert steps == list(range(cut, NUM_STEPS + 1))
    assert_same(weights_of(resumed), weights_of(uninterrupted(tiny_experiment)))
    assert resumed.read_log() == uninterrupted(tiny_experiment).read_log()


def test_a_cut_before_the_first_checkpoint_starts_over(tiny_experiment, uninterrupted, tmp_path):
    with pytest.raises(PowerCutError):
        train(tiny_experiment, tmp_path / "run", progress=cut_at(1))
    resumed = train(tiny_experiment, tmp_path / "run")
    assert_same(weights_of(resumed), weights_of(uninterrupted(tiny_experiment)))


def test_the_same_seed_gives_the_same_weights_and_the_global_stream_does_not_matter(
    tiny_experiment, uninterrupted, tmp_path
):
    torch.manual_seed(99)
    again = train(tiny_experiment, tmp_path / "run", progress=lambda *_: torch.rand(3))
    assert_same(weights_of(again), weights_of(uninterrupted(tiny_experiment)))


def test_another_seed_gives_other_weights(tiny_experiment, uninterrupted):
    ours = weights_of(uninterrupted(tiny_experiment))
    theirs = weights_of(uninterrupted(replace(tiny_experiment, seed=4)))
    assert not torch.equal(ours["token_head.linear.weight"], theirs["token_head.linear.weight"])


def test_a_finished_run_returns_at_once(tiny_experiment, uninterrupted):
    run = uninterrupted(tiny_experiment)
    before = run.weights_path.stat().st_mtime_ns
    train(tiny_experiment, run.path, progress=cut_at(1))
    assert run.weights_path.stat().st_mtime_ns == before


def test_another_configuration_is_refused_with_its_key_and_changes_nothing(
    tiny_experiment, uninterrupted
):
    run = uninterrupted(tiny_experiment)
    before = run.weights_path.read_bytes()
    schedule = replace(tiny_experiment.schedule, learning_rate=0.5)
    with pytest.raises(ValueError, match=r"schedule\.learning_rate: 0\.5 here, 0\.003 there"):
        train(replace(tiny_experiment, schedule=schedule), run.path)
    assert run.weights_path.read_bytes() == before


def test_a_loss_that_is_not_finite_names_step_and_losses(tiny_experiment, tmp_path, monkeypatch):
    from mindeye.training import loop

    plain = loop.step_losses

    def poisoned(*arguments):
        losses, monitors = plain(*arguments)
        if arguments[5] * NUM_STEPS == 4:
            losses["prior"] = losses["prior"] * torch.nan
        return losses, monitors

    monkeypatch.setattr(loop, "step_losses", poisoned)
    with pytest.raises(FloatingPointError, match=r"loss is nan at step 4: .*prior nan, low_level"):
        train(tiny_experiment, tmp_path / "run")
    checkpoint = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert checkpoint["step"] == 4
    assert all(torch.isfinite(value).all() for value in checkpoint["weights"].values())


def test_every_parameter_gets_a_gradient(tiny_experiment, tmp_path, monkeypatch):
    seen = set()
    step = torch.optim.AdamW.step

    def recording(self, *arguments, **options):
        for group in self.param_groups:
            seen.update(
                id(parameter)
                for parameter in group["params"]
                if parameter.grad is not None and parameter.grad.abs().sum() > 0
            )
        everything.update(id(one) for group in self.param_groups for one in group["params"])
        return step(self, *arguments, **options)

    everything = set()
    monkeypatch.setattr(torch.optim.AdamW, "step", recording)
    run = train(tiny_experiment, tmp_path / "run")
    assert everything == seen
    # The prior's mean and standard deviation of the tokens are measured, not learned.
    assert len(everything) == len(weights_of(run)) - 2


def test_every_parameter_stands_in_one_decay_group_and_norms_and_biases_are_free(tiny_experiment):
    from mindeye.models.decoder import Decoder

    shapes = {"token_shape": (5, 16), "latent_shape": (4, 8, 8)}
    decoder = Decoder(tiny_experiment.decoder, num_voxels_of={1: 20}, **shapes)
    groups = {group["weight_decay"]: group["params"] for group in decay_groups(decoder, 0.1, 0.7)}
    assert groups.keys() == {0.0, 0.1, 0.7}
    members = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(members) == sorted(id(parameter) for parameter in decoder.parameters())
    assert [id(one) for one in groups[0.7]] == [id(decoder.ridge.layers["1"].weight)]
    named = {id(parameter): name for name, parameter in decoder.named_parameters()}
    free = {named[id(parameter)] for parameter in groups[0.0]}
    assert {"prior.places", "prior.null_brain", "ridge.layers.1.bias"} <= free
    assert all(parameter.ndim > 1 for parameter in groups[0.1])
    assert not {name for name in free if "linear.weight" in name}


def test_training_never_opens_the_test_split(tiny_experiment, tmp_path, monkeypatch):
    opened = []
    table = PreparedSubject.table

    def recording(self, split):
        opened.append(split)
        return table(self, split)

    monkeypatch.setattr(PreparedSubject, "table", recording)
    train(tiny_experiment, tmp_path / "run")
    assert set(opened) == {"train", "validation"}


def test_an_epoch_shows_every_training_image_once_and_none_twice_in_a_batch(subject):
    for batch in (8, 7):
        shown = list(epochs([subject], batch, seed=0, first=0, num_steps=2 * (24 // batch)))
        for _, _, rows in shown:
            assert len(rows) == len(rows.unique()) == batch
        first = torch.cat([rows for _, _, rows in shown[: 24 // batch]])
        assert len(first.unique()) == len(first) == 24 // batch * batch


def test_epochs_follow_from_the_seed_and_can_start_anywhere(subject):
    def listed(seed, first):
        found = epochs([subject], 8, seed=seed, first=first, num_steps=9)
        return {step: rows.tolist() for step, _, rows in found}

    whole = listed(0, 0)
    assert list(whole) == list(range(9))
    assert listed(0, 4) == {step: rows for step, rows in whole.items() if step >= 4}
    assert listed(1, 0) != whole
    assert whole[0] != whole[3]


def test_batches_of_subjects_are_shuffled_among_each_other(subject):
    other = replace(subject, number=2)
    shown = [one.number for _, one, _ in epochs([subject, other], 4, 0, 0, 12)]
    assert sorted(shown) == [1] * 6 + [2] * 6
    assert shown != sorted(shown)


def test_a_batch_larger_than_the_training_set_is_refused_with_both_numbers(subject):
    with pytest.raises(ValueError, match="Batches of 100 cannot be made of 24 training images"):
        next(epochs([subject], 100, seed=0, first=0, num_steps=1))


def test_some_images_of_a_batch_keep_ids_and_repeats_together(subject):
    part = take(subject.train, torch.tensor([5, 0]))
    assert part.image_ids.tolist() == [105, 100]
    assert part.present.tolist() == [[True] * 3, [True, True, False]]
    torch.testing.assert_close(part.betas[0], subject.train.betas[5].float())


def test_losses_fall_and_the_log_tells_rate_and_validation(tiny_experiment, tmp_path):
    schedule = replace(tiny_experiment.schedule, num_epochs=30, save_every_s=60.0)
    run = train(replace(tiny_experiment, schedule=schedule), tmp_path / "run")
    log = run.read_log()
    first, last = log[:5], log[-5:]
    for name in ("prior", "low_level"):
        fallen = [np.mean([line[name] for line in part]) for part in (first, last)]
        assert fallen[1] < 0.95 * fallen[0], name
    assert {"learning_rate", "contrastive", "top1"} <= log[0].keys()
    assert "validation_top1_subj01" in log[-1]
    assert log[-1]["step"] == 30 * 3 - 1


def test_a_trained_folder_alone_gives_a_decoder_and_its_voxels(tiny_experiment, uninterrupted):
    run = uninterrupted(tiny_experiment)
    decoder = load_decoder(run.path)
    assert decoder(torch.randn(2, 20), 1).brain_tokens.shape == (2, 5, 16)
    assert (run.path / "bundle" / "subj01" / "meta.json").exists()
    assert run.provenance()["simulated"] == {"simulated": True, "preset": "tests"}


def test_derived_seeds_differ_and_fit_a_generator():
    seeds = {derived_seed(seed, step, 0) for seed in range(5) for step in range(200)}
    assert len(seeds) == 1000
    for seed in seeds:
        torch.Generator().manual_seed(seed)
    assert derived_seed(1, 2) == derived_seed(1, 2) != derived_seed(2, 1)

"""What a step learns from: cached targets, or those of changed pictures and of the teacher."""

from dataclasses import replace

import pytest
import torch

from mindeye.data.batches import PreparedSubject
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.models.saved import load_decoder
from mindeye.quirks import Quirks
from mindeye.training import step_batch as steps
from mindeye.training import validation as validations
from mindeye.training.augmentation import AugmentationConfig
from mindeye.training.loop import train
from mindeye.training.networks import open_networks
from mindeye.training.order import batch_rows
from mindeye.training.step_batch import step_batch
from mindeye.training.subjects import Material, open_subject
from mindeye.training.validation import validation

ONLY_FLIPPED = AugmentationConfig(
    crop_chance=0.0, jitter_chance=0.0, grey_chance=0.0, flip_chance=1.0
)


def material_of(config) -> Material:
    networks, prepared = open_networks(config), PreparedSubject(config.data[0])
    return Material(subjects={1: open_subject(prepared, networks)}, networks=networks)


def batch_of(config, material=None, seed=0):
    material = material or material_of(config)
    rows = next(batch_rows(material.num_images_of, 8, config.seed, first=0, num_steps=1))
    generator = torch.Generator().manual_seed(seed)
    return step_batch(config, material, rows, generator, torch.device("cpu"))


def test_without_changes_targets_come_from_the_cache(tiny_experiment, monkeypatch):
    material = material_of(tiny_experiment)
    monkeypatch.setattr(type(material.networks.clip), "tokens", None)
    batch = batch_of(tiny_experiment, material)
    ids, table = batch.parts[0].image_ids, material.subjects[1].targets
    torch.testing.assert_close(batch.targets.tokens, table.tokens(ids))
    torch.testing.assert_close(batch.targets.latents, table.latents(ids))
    assert batch.targets.maps is None


@pytest.mark.parametrize("flipped", [True, False])
def test_pictures_are_mirrored_for_clip_only_where_the_quirk_says_so(tiny_experiment, flipped):
    config = replace(
        tiny_experiment, augmentation=ONLY_FLIPPED, quirks=Quirks(flipped_targets=flipped)
    )
    material = material_of(config)
    batch = batch_of(config, material)
    seen = material.subjects[1].pictures(batch.parts[0].image_ids)
    expected = material.networks.clip.tokens(seen.flip(-1) if flipped else seen)
    torch.testing.assert_close(batch.targets.tokens, expected)
    plain = batch_of(tiny_experiment)
    # The brain saw the picture as it was, and the blurry reconstruction shows it so.
    torch.testing.assert_close(batch.targets.latents, plain.targets.latents)


@pytest.mark.parametrize("augmented_too", [True, False])
def test_validation_pictures_are_changed_only_where_the_quirk_says_so(
    tiny_experiment, uninterrupted, augmented_too, monkeypatch
):
    config = replace(
        tiny_experiment,
        augmentation=ONLY_FLIPPED,
        quirks=Quirks(flipped_targets=True, augmented_validation=augmented_too),
    )
    # Before the patch: training validates too.
    decoder = load_decoder(uninterrupted(tiny_experiment).path)
    material, seen = material_of(config), []
    monkeypatch.setattr(
        validations, "embedding_of", lambda tokens: seen.append(tokens) or tokens.flatten(1)
    )
    validation(config, decoder, material, step=3)
    subject = material.subjects[1]
    pictures = subject.pictures(subject.validation.image_ids)
    cached = subject.targets.tokens(subject.validation.image_ids)
    expected = material.networks.clip.tokens(pictures.flip(-1)) if augmented_too else cached
    torch.testing.assert_close(seen[0], expected)


def test_the_teacher_sees_each_picture_and_another_view_of_it(with_teacher, monkeypatch):
    material = material_of(with_teacher)
    monkeypatch.setattr(steps, "augmented", lambda pictures, config, generator: pictures.flip(-1))
    batch = batch_of(with_teacher, material)
    pictures = material.subjects[1].pictures(batch.parts[0].image_ids)
    teacher = material.networks.teacher
    # From the cache, in float16.
    expected = teacher.maps(pictures)
    torch.testing.assert_close(batch.targets.maps, expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(batch.targets.augmented_maps, teacher.maps(pictures.flip(-1)))
    assert batch.targets.maps.shape == (8, 4, 6)


def test_on_a_cpu_no_target_and_no_scan_is_pinned(tiny_experiment, monkeypatch):
    def never(tensor):
        raise AssertionError("pinned")

    monkeypatch.setattr(torch.Tensor, "pin_memory", never)
    batch_of(tiny_experiment)


def test_all_of_a_batch_goes_to_the_device_as_it_is_sent(with_teacher, monkeypatch):
    sent = []
    monkeypatch.setattr(steps, "sent", lambda values, device: sent.append(values.dtype) or values)
    batch_of(with_teacher)
    # Latents, tokens and maps as they are stored; betas and the pictures of the other view.
    assert sorted(map(str, sent)) == 3 * ["torch.float16"] + 2 * ["torch.float32"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device; run on one")
def test_a_batch_on_a_gpu_holds_the_numbers_of_one_on_a_cpu(tiny_experiment):
    material = material_of(tiny_experiment)
    rows = next(batch_rows(material.num_images_of, 8, 3, first=0, num_steps=1))
    on_cpu, on_gpu = (
        step_batch(
            tiny_experiment, material, rows, torch.Generator().manual_seed(0), torch.device(device)
        )
        for device in ("cpu", "cuda")
    )
    assert torch.equal(on_gpu.targets.tokens.cpu(), on_cpu.targets.tokens)
    assert torch.equal(on_gpu.targets.latents.cpu(), on_cpu.targets.latents)
    assert torch.equal(on_gpu.parts[0].betas.cpu(), on_cpu.parts[0].betas)


def test_the_low_level_network_learns_from_latents_and_maps_alone(
    tiny_experiment, with_teacher, tmp_path
):
    plain = replace(tiny_experiment, decoder=replace(tiny_experiment.decoder, low_level=None))
    start = train(plain, tmp_path / "high_level").path
    losses = replace(with_teacher.losses, contrastive=0.0, prior=0.0)
    parts = ("low_level_path", "low_level")
    config = replace(with_teacher, losses=losses, parts=parts, start_from=start)
    run = train(config, tmp_path / "run")
    log, before, after = run.read_log(), *(load_decoder(one) for one in (start, run.path))
    kept = {
        name: value for name, value in after.state_dict().items() if name.split(".")[0] not in parts
    }
    assert kept.keys() == before.state_dict().keys()
    assert all(torch.equal(value, kept[name]) for name, value in before.state_dict().items())
    assert {"low_level", "maps"} <= log[-1].keys()
    assert not {"contrastive", "prior", "top1", "validation_top1_subj01"} & log[-1].keys()


def test_maps_are_learned_beside_everything_else(with_teacher, tmp_path):
    run = train(with_teacher, tmp_path / "run")
    last = run.read_log()[-1]
    assert {"contrastive", "prior", "low_level", "maps", "top1"} <= last.keys()
    assert "teacher" in run.provenance()["networks"]


def test_a_teacher_of_other_maps_is_refused(with_teacher, tmp_path):
    low_level = replace(with_teacher.decoder.low_level, map_width=5)
    config = replace(with_teacher, decoder=replace(with_teacher.decoder, low_level=low_level))
    with pytest.raises(ValueError, match=r"4 places x 5, but .* has 4 x 6\. Set low_level"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("missing", ["teacher", "weight", "maps"])
def test_maps_a_weight_and_a_teacher_go_together(with_teacher, missing):
    low_level = replace(with_teacher.decoder.low_level, map_width=None)
    change = {
        "teacher": {"teacher": None},
        "weight": {"losses": replace(with_teacher.losses, maps=0.0)},
        "maps": {"decoder": replace(with_teacher.decoder, low_level=low_level)},
    }[missing]
    with pytest.raises(ValueError, match="Give map_width, a weight and a teacher, or none"):
        replace(with_teacher, **change)


def test_batches_of_all_subjects_train_every_ridge(tiny_experiment, second_prepared, tmp_path):
    schedule = replace(tiny_experiment.schedule, subjects_together=True, presentation="trials")
    config = replace(
        tiny_experiment,
        data=(*tiny_experiment.data, second_prepared),
        schedule=schedule,
        quirks=Quirks(crossed_labels=True),
    )
    run = train(config, tmp_path / "run")
    # 24 images of each, four of each in a batch: 6 steps in each of 4 epochs.
    assert run.read_log()[-1]["step"] == 4 * 6 - 1
    assert {"validation_top1_subj01", "validation_top1_subj02"} <= run.read_log()[-1].keys()


@pytest.mark.parametrize("system", ["none", "mindeye1", "mindeye2"])
def test_a_trained_prior_has_the_epsilon_of_the_quirks(tiny_experiment, system, tmp_path):
    prior = PublishedPriorConfig(depth=1, num_heads=2, head_width=8)
    config = replace(
        tiny_experiment,
        decoder=replace(tiny_experiment.decoder, prior=prior),
        quirks=Quirks(compat=system),
    )
    decoder = load_decoder(train(config, tmp_path / "run").path)
    assert decoder.config.prior.coarse_epsilon == (system != "none")

import pytest
import torch
from safetensors.torch import save_file

from mindeye.config import from_mapping, to_mapping
from mindeye.files import read_json, write_json
from mindeye.models.architecture import read_architecture, write_architecture
from mindeye.models.decoder import Decoder, DecoderConfig
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.models.saved import load_decoder, new_decoder, save_architecture
from mindeye.run import RunFolder


@pytest.fixture
def folder(tmp_path, tiny_experiment):
    """A run that has ended, without the training."""
    run = RunFolder(path=tmp_path / "run")
    run.begin(tiny_experiment, {"data": []})
    save_architecture(
        run.path,
        tiny_experiment.decoder,
        num_voxels_of={3: 7},
        token_shape=(5, 16),
        latent_shape=(4, 8, 8),
    )
    run.finish(new_decoder(run.path).state_dict())
    return run.path


def test_a_run_folder_alone_gives_the_decoder_back(folder):
    decoder = load_decoder(folder)
    weights = RunFolder(path=folder).weights()
    assert decoder.state_dict().keys() == weights.keys()
    for name, value in decoder.state_dict().items():
        torch.testing.assert_close(value, weights[name], rtol=0, atol=0)


def test_a_loaded_decoder_is_frozen_and_in_evaluation_mode(folder):
    decoder = load_decoder(folder)
    assert not any(module.training for module in decoder.modules())
    assert not any(parameter.requires_grad for parameter in decoder.parameters())
    betas = torch.randn(2, 7)
    torch.testing.assert_close(decoder(betas, 3), decoder(betas, 3), rtol=0, atol=0)


def test_configurations_with_and_without_low_level_head_come_back(tiny_experiment):
    for config in (tiny_experiment.decoder, DecoderConfig(low_level=None)):
        assert from_mapping(DecoderConfig, to_mapping(config), "here") == config


def test_weights_of_another_architecture_are_refused(folder):
    save_file({"other": torch.ones(2)}, folder / "weights.safetensors")
    with pytest.raises(ValueError, match=r"does not fit architecture\.json.*two runs mixed"):
        load_decoder(folder)


def test_an_unfinished_run_is_refused(folder):
    (folder / "weights.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="its training has not ended"):
        load_decoder(folder)


def test_published_priors_saved_before_the_epsilon_was_a_switch_keep_theirs(
    small_decoder, tmp_path
):
    path = tmp_path / "architecture.json"
    for kind, expected in (("mindeye1", True), ("ours", None)):
        write_architecture(path, small_decoder(kind).architecture)
        content = read_json(path)
        content["decoder"]["prior"].pop("coarse_epsilon", None)
        write_json(path, content)
        prior = new_decoder(tmp_path).config.prior
        assert getattr(prior, "coarse_epsilon", None) == expected
    content["decoder"]["prior"] = to_mapping(PublishedPriorConfig())
    write_json(path, content)
    assert not read_architecture(path).decoder.prior.coarse_epsilon


def test_a_decoder_knows_what_an_equal_one_is_built_from(kind, small_decoder, tmp_path):
    decoder = small_decoder(kind)
    write_architecture(tmp_path / "a.json", decoder.architecture)
    assert read_architecture(tmp_path / "a.json") == decoder.architecture
    again = Decoder.of(decoder.architecture)
    assert list(again.architecture.num_voxels_of) == list(decoder.subjects)
    shapes = [
        {name: one.shape for name, one in net.state_dict().items()} for net in (again, decoder)
    ]
    assert shapes[0] == shapes[1]


def test_an_absent_description_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.json is missing, .* Copy the whole folder"):
        read_architecture(tmp_path / "a.json")

"""Dtypes, slices, tiles and offloading change memory and speed, not what is drawn."""

import pytest
import torch
from accelerate.hooks import AlignDevicesHook

from mindeye.reconstruction.generators import placing
from mindeye.reconstruction.generators.execution import PLAIN, GeneratorExecution
from mindeye.reconstruction.generators.placing import place, require_possible
from mindeye.reconstruction.generators.versatile import load_versatile


def drawn(folder, execution=PLAIN) -> torch.Tensor:
    generator = load_versatile(folder, execution=execution)
    tokens = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    return generator.generate(
        tokens,
        start=torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)),
        strength=0.85,
        steps=5,
        guidance=3.5,
        generators=[torch.Generator().manual_seed(one) for one in range(2)],
    )


@pytest.fixture(scope="module")
def plain(random_generators) -> torch.Tensor:
    return drawn(random_generators["versatile"])


@pytest.mark.parametrize(
    ("settings", "tolerance"),
    [
        ({"slicing": "slices"}, 1e-4),
        ({"slicing": "tiles"}, 1e-4),
        ({"dtype": "bfloat16"}, 0.1),
        ({"dtype": "float16"}, 0.02),
    ],
)
def test_pictures_stay_close_to_those_in_float32(random_generators, plain, settings, tolerance):
    pictures = drawn(random_generators["versatile"], GeneratorExecution(**settings))
    assert pictures.dtype == torch.float32
    assert (pictures - plain).abs().max() <= tolerance
    if "dtype" in settings:
        assert (pictures - plain).abs().max() > 0


def test_slicing_calls_the_decoder_picture_by_picture(random_generators):
    execution = GeneratorExecution(slicing="slices")
    vae = load_versatile(random_generators["versatile"], execution=execution).vae
    seen = []
    forward = vae.model.decoder.forward
    vae.model.decoder.forward = lambda latents, *more: seen.append(len(latents)) or forward(latents)
    vae.pictures(torch.zeros(3, 4, 8, 8))
    assert seen == [1, 1, 1]


@pytest.mark.parametrize("offload", ["networks", "layers"])
def test_offloaded_networks_draw_the_same_where_the_accelerator_is_a_cpu(
    random_generators, plain, offload, monkeypatch
):
    """There is no accelerator here: hooks, not their transfers, are what is tried."""
    monkeypatch.setattr(placing, "require_possible", lambda *any: None)
    monkeypatch.setattr(
        "mindeye.reconstruction.generators.token_diffusion.require_possible", lambda *any: None
    )
    execution = GeneratorExecution(offload=offload)
    pictures = drawn(random_generators["versatile"], execution)
    torch.testing.assert_close(pictures, plain, rtol=0, atol=1e-6)
    unet = load_versatile(random_generators["versatile"], execution=execution).unet
    hooked = unet if offload == "networks" else unet.conv_in
    assert hasattr(hooked, "_hf_hook")
    assert isinstance(hooked._hf_hook, AlignDevicesHook) == (offload == "layers")


def test_compiling_is_asked_of_the_network_that_is_called_at_every_step(random_generators):
    from diffusers import AutoencoderKL, UNet2DConditionModel

    from mindeye.reconstruction.generators.network_folder import load_network

    folder, asked = random_generators["versatile"], []
    unet = load_network(UNet2DConditionModel, folder / "image_unet")
    vae = load_network(AutoencoderKL, folder / "vae")
    for network in (unet, vae):
        network.compile = lambda network=network: asked.append(network)
    place(unet, vae, PLAIN, "cpu")
    assert asked == []
    place(unet, vae, GeneratorExecution(compile=True), "cpu")
    assert asked == [unet]


def test_offloading_from_the_cpu_to_the_cpu_is_refused():
    with pytest.raises(ValueError, match="Leave --offload out, or choose --device"):
        require_possible(GeneratorExecution(offload="layers"), "cpu")


def test_a_dtype_without_kernels_is_refused_before_weights_are_read(monkeypatch):
    def missing(*arguments):
        raise RuntimeError("\"slow_conv2d_cpu\" not implemented for 'Half'\nmore lines")

    monkeypatch.setattr(placing, "_try_kernels", missing)
    message = r"cpu cannot compute in float16 \(\"slow_conv2d_cpu\" not .*'Half'\)\. Choose"
    with pytest.raises(ValueError, match=message):
        require_possible(GeneratorExecution(dtype="float16"), "cpu")


@pytest.mark.parametrize("name", ["dtype", "offload", "slicing"])
def test_an_unknown_setting_is_refused_with_those_that_there_are(name):
    with pytest.raises(LookupError, match=rf"Unknown {name} of the generator `float8`"):
        GeneratorExecution(**{name: "float8"})


def test_only_what_changes_pictures_marks_the_identity():
    assert PLAIN.mark == GeneratorExecution(offload="layers", slicing="slices", compile=True).mark
    assert GeneratorExecution(dtype="float16", slicing="tiles").mark == "+float16+tiles"

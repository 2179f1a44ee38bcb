import shutil

import pytest
import torch
from torch.nn import functional
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import normalize, resize
from transformers import CLIPVisionConfig, CLIPVisionModel

from mindeye.targets.clip import load_clip
from mindeye.targets.clip_folder import weights_hash


@pytest.fixture(scope="module")
def clip(networks):
    return load_clip(networks.clip)


def pictures(count: int = 3, side: int = 32) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_tokens_have_the_shape_promised_and_a_cls_token_of_norm_one(clip):
    tokens = clip.tokens(pictures())
    assert tokens.shape == (3, *clip.token_shape) == (3, 5, 16)
    torch.testing.assert_close(tokens[:, 0].norm(dim=1), torch.ones(3))


def test_the_cls_token_is_open_clips_own_image_embedding(clip):
    expected = clip.model.encode_image(pictures() * 2 - 1, normalize=True)
    torch.testing.assert_close(clip.tokens(pictures())[:, 0], expected)


def test_patch_tokens_go_through_final_norm_and_projection(clip):
    """The published way: penultimate output -> ln_post -> proj, here step by step."""
    visual = clip.model.visual
    hidden = visual._embeds(pictures() * 2 - 1)
    raw = visual.ln_post(visual.transformer(hidden)) @ visual.proj
    expected = raw / raw[:, :1].norm(dim=-1, keepdim=True)
    torch.testing.assert_close(clip.tokens(pictures()), expected)


def test_patches_are_what_open_clip_gives_as_tokens_beside_the_embedding(networks):
    """As MindEye2's embedder asks for them: no CLS, after ln_post, not projected."""
    target = load_clip(networks.clip, form="patches")
    target.model.visual.output_tokens = True
    _, expected = target.model.visual(pictures() * 2 - 1)
    tokens = target.tokens(pictures())
    assert tokens.shape == (3, *target.token_shape) == (3, 4, 16)
    torch.testing.assert_close(tokens, expected)


def test_the_embedding_as_only_token_keeps_its_length(networks):
    target = load_clip(networks.clip, form="embedding")
    expected = target.model.encode_image(pictures() * 2 - 1)
    tokens = target.tokens(pictures())
    assert tokens.shape == (3, *target.token_shape) == (3, 1, 16)
    torch.testing.assert_close(tokens[:, 0], expected)
    assert (tokens.norm(dim=-1) - 1).abs().min() > 0.01


def as_transformers_names_them(state: dict[str, torch.Tensor], width: int) -> dict:
    """Open_clip's image tower under the names of transformers' CLIPVisionModel."""
    named = {
        "embeddings.class_embedding": state["visual.class_embedding"],
        "embeddings.position_embedding.weight": state["visual.positional_embedding"],
        "embeddings.patch_embedding.weight": state["visual.conv1.weight"],
    }
    for ours, theirs in (("ln_pre", "pre_layrnorm"), ("ln_post", "post_layernorm")):
        for kind in ("weight", "bias"):
            named[f"{theirs}.{kind}"] = state[f"visual.{ours}.{kind}"]
    for name, value in state.items():
        if not name.startswith("visual.transformer.resblocks."):
            continue
        number, part = name.removeprefix("visual.transformer.resblocks.").split(".", 1)
        layer, kind = f"encoder.layers.{number}", part.rsplit(".")[-1].split("_")[-1]
        if part.startswith("attn.in_proj"):
            for which, one in zip("qkv", value.split(width), strict=True):
                named[f"{layer}.self_attn.{which}_proj.{kind}"] = one
            continue
        for ours, theirs in (
            ("attn.out_proj", "self_attn.out_proj"),
            ("ln_1", "layer_norm1"),
            ("ln_2", "layer_norm2"),
            ("mlp.c_fc", "mlp.fc1"),
            ("mlp.c_proj", "mlp.fc2"),
        ):
            if part.startswith(f"{ours}."):
                named[f"{layer}.{theirs}.{kind}"] = value
    return named


def test_penultimate_tokens_are_the_hidden_states_that_ip_adapters_were_trained_on(networks):
    target = load_clip(networks.clip, form="penultimate")
    width = target.token_shape[1]
    model = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=32,
            patch_size=16,
            hidden_act="gelu",
        )
    ).eval()
    model.load_state_dict(as_transformers_names_them(target.model.state_dict(), width))
    seen = model(pixel_values=pictures() * 2 - 1, output_hidden_states=True)
    tokens = target.tokens(pictures())
    assert tokens.shape == (3, *target.token_shape) == (3, 5, 16)
    torch.testing.assert_close(tokens, seen.hidden_states[-2], rtol=0, atol=1e-6)
    assert (tokens - seen.last_hidden_state).abs().max() > 0.1


def test_an_unknown_form_of_tokens_is_refused(networks):
    with pytest.raises(
        LookupError, match="Choose one of projected, patches, embedding, penultimate"
    ):
        load_clip(networks.clip, form="cls")


def test_a_picture_has_the_same_tokens_in_every_batch(clip):
    alone = torch.cat([clip.tokens(one) for one in pictures().split(1)])
    torch.testing.assert_close(clip.tokens(pictures()), alone)


def test_pictures_of_any_size_are_resized_and_others_only_normalised(clip):
    torch.testing.assert_close(clip.preprocess(pictures()), pictures() * 2 - 1)
    large = functional.interpolate(pictures(), scale_factor=4, mode="nearest")
    small = clip.preprocess(large)
    assert small.shape == (3, 3, 32, 32)
    assert small.min() >= -1
    assert small.max() <= 1
    assert (
        functional.cosine_similarity(small.flatten(), clip.preprocess(pictures()).flatten(), dim=0)
        > 0.9
    )


@pytest.mark.parametrize("antialias", [True, False])
def test_resizing_is_torchvisions_with_and_without_antialiasing(networks, antialias):
    target = load_clip(networks.clip, antialias=antialias)
    large = pictures(side=75)
    expected = resize(large, [32, 32], InterpolationMode.BICUBIC, antialias=antialias).clamp(0, 1)
    expected = normalize(expected, target.mean, target.std)
    torch.testing.assert_close(target.preprocess(large), expected)
    other = load_clip(networks.clip, antialias=not antialias)
    assert (other.preprocess(large) - expected).abs().mean() > 0.1


@pytest.mark.parametrize("washed_out", [True, False])
def test_washed_out_pictures_lose_their_black_and_only_when_asked(networks, clip, washed_out):
    target = load_clip(networks.clip, washed_out=washed_out)
    seen = torch.empty(3, 3, 32, 32)
    for where, value in enumerate(pictures().flatten().tolist()):
        seen.flatten()[where] = (value + 1) / 2 if washed_out else value
    torch.testing.assert_close(target.tokens(pictures()), clip.tokens(seen))
    # The test's CLIP maps [0, 1] to [-1, 1]: black is -1, and grey is 0.
    black = target.preprocess(torch.zeros(1, 3, 75, 75))
    torch.testing.assert_close(black, torch.full_like(black, 0.0 if washed_out else -1.0))


def test_what_changes_tokens_changes_the_identity(networks, clip):
    plain = f"tiny-clip-{weights_hash(networks.clip / 'open_clip_model.safetensors')}"
    identities = [
        load_clip(networks.clip, washed_out=washed_out, antialias=antialias).identity
        for washed_out in (False, True)
        for antialias in (True, False)
    ]
    suffixes = ["", "+aliased", "+washed-out", "+washed-out+aliased"]
    assert identities == [plain + suffix for suffix in suffixes]
    assert load_clip(networks.clip, form="patches").identity == plain + "+patches"
    assert clip.identity == plain


def test_texts_become_unit_vectors_in_the_space_of_the_cls_token(clip):
    embeddings = clip.text_embeddings(["a red house", "a blue boat", "a red house"])
    assert embeddings.shape == (3, 16)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(embeddings[0], embeddings[2])
    assert not torch.allclose(embeddings[0], embeddings[1])


def test_the_network_is_frozen(clip):
    assert not clip.model.training
    assert not any(parameter.requires_grad for parameter in clip.model.parameters())


def test_other_weights_have_another_identity(clip, networks, tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(networks.clip, tmp_path / networks.clip.name)
    assert load_clip(folder).identity == clip.identity
    weights = load_file(folder / "open_clip_model.safetensors")
    weights["logit_scale"] += 1
    save_file(weights, folder / "open_clip_model.safetensors")
    assert load_clip(folder).identity != clip.identity


@pytest.mark.parametrize("name", ["open_clip_config.json", "open_clip_model.safetensors"])
def test_a_folder_that_lacks_a_file_is_refused_by_its_name(networks, tmp_path, name):
    folder = shutil.copytree(networks.clip, tmp_path / "clip")
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"No CLIP at .*: {name} is missing"):
        load_clip(folder)

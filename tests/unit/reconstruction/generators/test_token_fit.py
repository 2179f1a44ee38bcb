import pytest

from mindeye.reconstruction.generators.catalogue import CATALOGUE, facts_of
from mindeye.reconstruction.generators.token_fit import (
    marked_name,
    random_mark,
    require_takes,
    require_tokens,
    require_width,
    token_shape_of,
)

OF_RUN = {"token_shape": (256, 1664), "form": "patches", "clip": "bigg-1a2b"}


def test_tokens_of_another_clip_are_refused_with_both_shapes_and_forms():
    message = (
        r"This run decodes 256 x 1664 tokens \(patches\) of bigg-1a2b; versatile takes 257 x 768 "
        r"\(projected\) of OpenAI CLIP ViT-L/14\."
    )
    with pytest.raises(ValueError, match=message):
        require_takes("versatile", None, **OF_RUN)


def test_the_same_shape_of_another_form_is_refused():
    with pytest.raises(ValueError, match=r"1 x 768 tokens \(projected\) .* takes 1 x 768 \(embed"):
        require_takes(
            "image-variations", None, **{**OF_RUN, "token_shape": (1, 768)} | {"form": "projected"}
        )


def test_the_advice_names_a_generator_that_takes_the_runs_tokens():
    of_run = {"token_shape": (257, 768), "form": "projected", "clip": "vit-l"}
    with pytest.raises(ValueError, match="Draw with --generator versatile"):
        require_takes("image-variations", None, **of_run)


@pytest.mark.parametrize("name", [name for name, one in CATALOGUE.items() if one.token_shape])
def test_every_generator_takes_the_tokens_that_its_facts_name(name):
    facts = facts_of(name)
    require_takes(name, None, token_shape=facts.token_shape, form=facts.form, clip="any")


def test_the_offline_generator_takes_any_shape_of_its_own_form():
    require_takes("scenes", None, token_shape=(5, 16), form="projected", clip="tiny")
    with pytest.raises(ValueError, match=r"scenes takes those \(projected\) of scenes-clip"):
        require_takes("scenes", None, **OF_RUN)


def test_random_networks_say_which_tokens_they_take(random_generators, tmp_path):
    folder = random_generators["versatile"]
    assert random_mark(folder)["random"] is True
    assert token_shape_of(facts_of("versatile"), folder) == (5, 16)
    require_takes("versatile", folder, token_shape=(5, 16), form="projected", clip="tiny")
    assert marked_name("versatile", folder) == "versatile-random"
    assert marked_name("versatile", tmp_path) == "versatile"
    assert random_mark(tmp_path) is None
    assert random_mark(None) is None
    assert token_shape_of(facts_of("versatile"), tmp_path) == (257, 768)


def test_equal_shapes_pass_and_others_do_not():
    require_tokens("versatile", (5, 16), (5, 16))
    with pytest.raises(ValueError, match="These tokens are 5 x 17, but versatile takes 5 x 16"):
        require_tokens("versatile", (5, 16), (5, 17))


def test_a_network_of_another_width_is_refused_with_its_folder_and_both(tmp_path):
    require_width("unclip", 1664, tmp_path, 1664)
    message = rf"{tmp_path} reads tokens of width 768, but unclip takes 1664\. Is this the folder"
    with pytest.raises(ValueError, match=message):
        require_width("unclip", 1664, tmp_path, 768)

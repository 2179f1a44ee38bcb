"""Which networks a run belongs to: as its file names them, or as they were given."""

from pathlib import Path

import pytest

from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.reconstruction.run_networks import (
    about_given,
    form_of,
    given_of,
    named_clip,
    require_same_networks,
)

TRAINED = {"networks": {"clip": "a", "vae": "b", "map_teacher": "c"}, "paths": {"data": ["d"]}}


def converted(family: str, **more) -> dict:
    return {"networks": None, "converted": {"family": family}, **more}


@pytest.mark.parametrize(
    ("provenance", "shape", "form"),
    [
        (TRAINED, (257, 768), "projected"),
        ({**TRAINED, "clip_tokens": "patches"}, (256, 1664), "patches"),
        (converted("mindeye1"), (257, 768), "projected"),
        (converted("mindeye1"), (1, 768), "embedding"),
        (converted("mindeye2"), (256, 1664), "patches"),
        (converted("mindeye2", clip_tokens="projected"), (256, 1664), "projected"),
    ],
)
def test_the_form_of_tokens_is_told_or_follows_from_the_family(provenance, shape, form):
    assert form_of(provenance, shape) == form


def test_what_was_given_is_told_by_artefacts_and_given_again():
    given = {"clip": "/c", "vae": None}
    about = about_given(converted("mindeye1", given=given, paths={"data": ["/d"]}))
    assert about == {"given": given, "data": "/d"}
    assert given_of(about) == GivenNetworks(clip=Path("/c"))
    assert about_given(converted("mindeye1", given=given, paths={"data": []})) == {"given": given}
    assert about_given(TRAINED) == {}
    assert given_of({}) == NONE_GIVEN


def test_a_clip_is_named_by_its_identity_or_its_place():
    assert named_clip(TRAINED) == "a"
    assert named_clip(converted("mindeye1", given={"clip": "/c", "vae": None})) == "/c"


def test_the_teacher_of_maps_is_not_needed_afterwards():
    require_same_networks(Path("run"), TRAINED, {"clip": "a", "vae": "b"})
    with pytest.raises(ValueError, match=r"trained on targets of .* but here are .*Restore"):
        require_same_networks(Path("run"), TRAINED, {"clip": "a", "vae": "c"})

from dataclasses import dataclass, field, replace

import pytest

from mindeye.config import (
    differences,
    dump_yaml,
    from_mapping,
    load_yaml,
    to_mapping,
    with_command_line,
)
from mindeye.models.decoder import DecoderConfig
from mindeye.models.low_level_network import LowLevelPathConfig, PublishedLowLevelConfig
from mindeye.models.mixer_backbone import MixerBackboneConfig
from mindeye.models.prior import PriorConfig
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.training.experiment import ExperimentConfig


@dataclass(frozen=True, kw_only=True)
class Engine:
    num_cylinders: int = 4
    displacement: float = 1.6


@dataclass(frozen=True, kw_only=True)
class Car:
    engine: Engine = field(default_factory=Engine)
    spare: Engine | None = None
    gears: tuple[int, int] = (1, 5)
    name: str = "car"


def test_yaml_comes_back_whole(tmp_path, tiny_experiment):
    for config in (Car(spare=Engine(displacement=0.5), gears=(2, 3)), tiny_experiment):
        path = tmp_path / "config.yaml"
        dump_yaml(config, path)
        assert load_yaml(type(config), path) == config


def test_keys_left_out_keep_their_defaults():
    car = from_mapping(Car, {"engine": {"num_cylinders": 6}}, "here")
    assert car == Car(engine=Engine(num_cylinders=6))
    assert car.engine.displacement == Engine().displacement


@pytest.mark.parametrize(
    ("values", "key", "likely"),
    [
        ({"engin": {}}, "engin", "engine"),
        ({"engine": {"num_cylinder": 6}}, "engine.num_cylinder", "engine.num_cylinders"),
        ({"spare": {"displacment": 1.0}}, "spare.displacment", "spare.displacement"),
    ],
)
def test_an_unknown_key_names_the_likely_one(values, key, likely):
    with pytest.raises(LookupError) as caught:
        from_mapping(Car, values, "car.yaml")
    assert str(caught.value) == (
        f"Unknown config key `{key}` in car.yaml. Did you mean `{likely}`?"
    )


def test_the_houses_own_example_of_an_unknown_key_holds():
    values = {"data": ["x"], "decoder": {"backbone": {"num_block": 3}}}
    with pytest.raises(LookupError, match=r"Did you mean `decoder\.backbone\.num_blocks`\?"):
        from_mapping(ExperimentConfig, values, "x.yaml")


@pytest.mark.parametrize(
    "part",
    [
        {"prior": PublishedPriorConfig()},
        {"prior": PublishedPriorConfig(scale=1.0, num_padding=3)},
        {"prior": PriorConfig(depth=2), "backbone": MixerBackboneConfig(width=8)},
        {"low_level": PublishedLowLevelConfig(path=LowLevelPathConfig(width=8))},
        {"low_level": PublishedLowLevelConfig(base_side=7, block_channels=(32, 64))},
    ],
)
def test_a_part_of_one_kind_or_another_comes_back_as_its_kind(tmp_path, part):
    config = DecoderConfig(**part)
    dump_yaml(config, tmp_path / "decoder.yaml")
    assert load_yaml(DecoderConfig, tmp_path / "decoder.yaml") == config
    changed = with_command_line(config, ["--contrastive-width", "7"], "x")
    assert changed == replace(config, contrastive_width=7)


def test_keys_tell_the_kind_and_the_first_kind_where_they_do_not():
    shared, own = ({"prior": keys} for keys in ({"depth": 2}, {"depth": 2, "num_heads": 3}))
    assert from_mapping(DecoderConfig, shared, "here").prior == PriorConfig(depth=2)
    own = from_mapping(DecoderConfig, own, "here").prior
    assert own == PublishedPriorConfig(depth=2, num_heads=3)
    with pytest.raises(LookupError, match=r"Did you mean `prior\.drop_image`\?"):
        from_mapping(DecoderConfig, {"prior": {"num_heads": 3, "drop_imag": 1}}, "here")


def test_the_command_line_reaches_into_a_part_of_either_kind():
    config = DecoderConfig(prior=PublishedPriorConfig())
    changed = with_command_line(config, ["--prior.num-heads", "3"], "x")
    assert changed.prior == PublishedPriorConfig(num_heads=3)
    changed = with_command_line(DecoderConfig(), ["--prior.depth", "3"], "x")
    assert changed.prior == PriorConfig(depth=3)


def test_a_wrong_type_names_key_and_value():
    with pytest.raises(ValueError, match=r"car\.yaml: `engine\.num_cylinders` is 'six'"):
        from_mapping(Car, {"engine": {"num_cylinders": "six"}}, "car.yaml")


def test_errors_send_to_the_command_that_lists_the_keys():
    for values in ([1], {"engine": {"num_cylinders": "six"}}):
        with pytest.raises(ValueError, match=r"`mindeye train train/configs/.* --keys`"):
            from_mapping(Car, values, "car.yaml")


def test_a_value_that_the_class_refuses_is_told_in_its_own_words():
    values = {"data": ["x"], "schedule": {"num_epochs": 0}}
    with pytest.raises(ValueError, match=r"^x\.yaml: The schedule has 0 epochs, .* more than 0\.$"):
        from_mapping(ExperimentConfig, values, "x.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "holds list, not a table"),
        ("a: [1,\n", "is not YAML"),
        ("", "holds NoneType"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, text, message):
    (tmp_path / "car.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        load_yaml(Car, tmp_path / "car.yaml")


def test_a_file_that_is_no_text_is_refused_by_its_name(tmp_path):
    (tmp_path / "car.yaml").write_bytes(b"\xff\xfea\x00")
    with pytest.raises(ValueError, match=r"car\.yaml is not YAML"):
        load_yaml(Car, tmp_path / "car.yaml")


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No configuration at .*absent\.yaml"):
        load_yaml(Car, tmp_path / "absent.yaml")


def test_the_command_line_overrides_single_fields():
    config = Car(name="mine")
    changed = with_command_line(config, ["--engine.displacement", "2.0", "--gears", "2", "6"], "x")
    assert changed == replace(config, engine=Engine(displacement=2.0), gears=(2, 6))
    assert config == Car(name="mine")


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (
            ["--engine.num-cylinder", "3"],
            LookupError,
            r"^Unknown option `--engine\.num-cylinder`\. Did you mean `--engine\.num-cylinders`\?$",
        ),
        (
            ["--engine.num-cylinders", "six"],
            ValueError,
            r"^Error parsing --engine\.num-cylinders: .*'six'\. Correct it; `x --out RUN --keys`",
        ),
        (["--engine.num-cylinders"], ValueError, r"^Missing value .*num-cylinders.*--keys`"),
        (["--engine.displacement", "inf"], ValueError, r"`engine\.displacement` is inf\. Choose"),
        (["stray"], ValueError, r"^Unrecognized options: stray\. Correct it"),
    ],
)
def test_a_wrong_option_is_told_in_two_sentences(capsys, arguments, kind, message):
    with pytest.raises(kind, match=message) as caught:
        with_command_line(Car(), arguments, "x")
    assert "\n" not in str(caught.value)
    assert not capsys.readouterr().err


def test_an_option_that_the_class_refuses_is_told_in_its_own_words():
    config = from_mapping(ExperimentConfig, {"data": ["x"]}, "x.yaml")
    for arguments, message in (
        (["--seed", "-1"], "`seed` is -1. Choose from 0 to 9223372036854775807."),
        (["--schedule.micro-batch", "0"], "`schedule.micro_batch` is 0. Choose 1 or more."),
    ):
        with pytest.raises(ValueError, match=r"Choose") as caught:
            with_command_line(config, arguments, "x")
        assert str(caught.value) == message


def test_an_option_of_a_part_that_the_file_leaves_out_sends_to_the_file():
    with pytest.raises(LookupError, match=r"`token-head` is left out .* YAML file\.$"):
        with_command_line(DecoderConfig(), ["--token-head.rank", "8"], "x")


@pytest.mark.parametrize("value", [8.5, float("nan"), "eight", None])
def test_a_wrong_value_does_not_make_a_part_one_of_another_kind(value):
    # Read as a head of token codes, it would train with that one's default and say nothing.
    values = {"data": ["x"], "decoder": {"token_head": {"rank": value}}}
    with pytest.raises(ValueError, match=r"`decoder\.token_head\.rank` is "):
        from_mapping(ExperimentConfig, values, "x.yaml")


def test_keys_of_two_kinds_in_one_part_are_refused_and_a_misspelt_one_is_sought_in_all():
    with pytest.raises(ValueError, match=r"`token_head` has rank, window, .* keys of one kind\.$"):
        from_mapping(DecoderConfig, {"token_head": {"rank": 8, "window": 4}}, "here")
    with pytest.raises(LookupError, match=r"Did you mean `token_head\.window`\?"):
        from_mapping(DecoderConfig, {"token_head": {"windw": 4}}, "here")


def test_infinity_is_refused_under_its_key():
    values = {"data": ["x"], "schedule": {"learning_rate": float("inf")}}
    with pytest.raises(ValueError, match=r"`schedule\.learning_rate` is inf\. Choose a finite"):
        from_mapping(ExperimentConfig, values, "x.yaml")


def test_a_share_out_of_range_names_the_part_that_it_belongs_to():
    for part in ("augmentation", "map_augmentation"):
        with pytest.raises(ValueError, match=rf"^x: `{part}`: flip_chance is 2"):
            from_mapping(ExperimentConfig, {"data": ["x"], part: {"flip_chance": 2}}, "x")


def test_differences_name_the_key_and_both_values():
    ours, theirs = to_mapping(Car()), to_mapping(Car(engine=Engine(num_cylinders=8)))
    assert differences(ours, ours) == []
    assert differences(ours, theirs) == ["engine.num_cylinders: 4 here, 8 there"]
    assert differences({"a": 1}, {"b": 2}) == ["a: 1 here, None there", "b: None here, 2 there"]

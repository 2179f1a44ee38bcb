"""What `mindeye prepare` hands on; the functions behind it have tests of their own."""

from pathlib import Path

import pytest

from mindeye.cli import main
from mindeye.verbs import prepare
from mindeye.verbs.options import PROTOCOLS, TEST_PROTOCOLS

BEHIND = {
    "nsd": (prepare.nsd, "prepare_nsd"),
    "mindeye1": (prepare, "prepare_mindeye1"),
    "mindeye2": (prepare, "prepare_mindeye2"),
    "laion-fmri": (prepare, "prepare_laion_fmri"),
    "mosaic": (prepare, "prepare_mosaic"),
    "things-fmri": (prepare, "prepare_things"),
}
PICTURES = {
    "mosaic": ["--stimuli", "p", "--stimulus-table", "t.tsv"],
    "things-fmri": ["--stimuli", "p"],
}
"""What has no default."""


@pytest.fixture
def handed(monkeypatch, tmp_path):
    """Arguments of the command -> what the function behind it gets."""

    def run(dataset: str, *arguments: str) -> dict:
        calls = []
        monkeypatch.setattr(*BEHIND[dataset], lambda root, **given: calls.append(given) or root)
        main(["prepare", dataset, str(tmp_path), "--out", str(tmp_path / "out"), *arguments])
        (given,) = calls
        assert given.pop("out") == tmp_path / "out"
        assert callable(given.pop("progress"))
        return given

    return run


@pytest.mark.parametrize("dataset", BEHIND)
def test_what_is_not_given_is_left_to_the_function(handed, dataset):
    found = handed(dataset, "--subject", "2", *PICTURES.get(dataset, []))
    assert found.pop("stimuli", Path("p")) == Path("p")
    assert found.pop("stimulus_table", Path("t.tsv")) == Path("t.tsv")
    assert found == {"subject": 2}


def test_mosaic_takes_a_table_and_a_threshold(handed):
    options = ["--noise-ceiling-above", "10", "--protocol", "mosaic-all", "--roi", "all"]
    found = handed("mosaic", *PICTURES["mosaic"], *options)
    assert found["stimulus_table"] == Path("t.tsv")
    assert (found["noise_ceiling_above"], found["protocol"], found["roi"]) == (
        10.0,
        "mosaic-all",
        "all",
    )


def test_pictures_that_are_needed_are_asked_for(handed, capsys):
    for dataset, needed in (
        ("mosaic", "--stimuli and --stimulus-table"),
        ("things-fmri", "--stimuli"),
    ):
        with pytest.raises(SystemExit) as ended:
            handed(dataset)
        assert ended.value.code == 2
        message = f"The files of {dataset} hold no pictures. Say with {needed} where they are."
        assert message in capsys.readouterr().err


def test_what_is_given_is_handed_on(handed):
    options = ["--protocol", "nsd-37-avg", "--zscore", "train-global", "--betas", "b2"]
    found = handed("nsd", *options, "--sessions", "1", "2", "--seed", "3")
    assert found == {
        "subject": 1,
        "protocol": "nsd-37-avg",
        "zscore": "train-global",
        "beta_version": "b2",
        "sessions": [1, 2],
        "seed": 3,
    }


def test_laion_fmri_takes_a_split_and_a_folder_of_pictures(handed, tmp_path):
    found = handed("laion-fmri", "--split", "shared/tau", "--stimuli", str(tmp_path))
    assert found == {"subject": 1, "split": "shared/tau", "stimuli": tmp_path}


def test_a_peer_sets_what_it_is(handed):
    found = handed("nsd", "--peer", "takagi", "--roi", "streams:ventral")
    assert found["zscore"] == "train-global"
    assert found["roi"] == "streams:ventral"


def test_what_a_published_file_has_built_in_cannot_be_chosen(handed, capsys):
    for dataset, option in (
        ("mindeye1", "--seed"),
        ("mindeye2", "--zscore"),
        ("laion-fmri", "--protocol"),
        ("nsd", "--split"),
        ("mosaic", "--zscore"),
        ("things-fmri", "--protocol"),
    ):
        with pytest.raises(SystemExit) as ended:
            handed(dataset, option, "1")
        assert ended.value.code == 2
        assert f"The files of {dataset} leave no choice of {option[2:]}" in capsys.readouterr().err


def test_the_help_names_every_protocol():
    from mindeye.data.protocols import PROTOCOLS as KNOWN

    assert PROTOCOLS.replace(" or ", ", ").split(", ") == list(KNOWN)
    assert TEST_PROTOCOLS.split(": ")[1].split(", ") == list(prepare.EXPERIMENT_OF)


@pytest.fixture
def handed_to_transfer(monkeypatch, tmp_path):
    """The same for the protocols that only test."""

    def run(*arguments: str) -> dict:
        calls = []
        monkeypatch.setattr(
            prepare, "prepare_transfer", lambda root, **given: calls.append(given) or root
        )
        main(["prepare", "nsd", str(tmp_path), "--out", str(tmp_path / "out"), *arguments])
        (given,) = calls
        return {name: one for name, one in given.items() if name not in ("out", "progress")}

    return run


def test_protocols_that_only_test_have_a_function_of_their_own(handed_to_transfer):
    options = ["--task", "vision", "--zscore", "none", "--source", "hdf5", "--roi", "streams"]
    assert handed_to_transfer("--protocol", "nsd-imagery", "--subject", "2", *options) == {
        "subject": 2,
        "protocol": "nsd-imagery",
        "task": "vision",
        "zscore": "none",
        "source": "hdf5",
        "roi": "streams",
    }
    only = handed_to_transfer("--protocol", "nsd-synthetic")
    assert only == {"subject": 1, "protocol": "nsd-synthetic"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--protocol", "nsd-synthetic", "--sessions", "1"], "it has one session"),
        (["--protocol", "nsd-imagery", "--seed", "1"], "no validation images to choose"),
        (["--protocol", "nsd-imagery", "--peer", "takagi"], "no preset of a published system"),
        (["--task", "vision"], "Only nsd-imagery has tasks"),
        (["--protocol", "nsd-37-avg", "--task", "vision"], "Only nsd-imagery has tasks"),
    ],
)
def test_what_a_test_of_one_session_leaves_no_choice_of_is_refused(
    handed_to_transfer, options, message, capsys
):
    with pytest.raises(SystemExit) as ended:
        handed_to_transfer(*options)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err

import shutil

import numpy as np
import pytest

from mindeye.files import load_arrays, save_arrays
from mindeye.report.banner import SIMULATED
from mindeye.verbs.report import training_curves
from mindeye.verbs.report_parts import ReportParts


def report(run, out, **options):
    from mindeye.verbs.report import report_run

    columns = options.pop("more_columns", None)
    return report_run(ReportParts(run=run, **options), out, more_columns=columns)


@pytest.fixture
def page(tmp_path):
    return tmp_path / "page.html"


def test_the_page_holds_pictures_scores_and_the_banner(finished_run, page):
    content = report(finished_run, page)
    assert {row.metric for row in content.rows} >= {"PixCorr", "image retrieval top-1 of 8"}
    assert [row for row in content.controls if row.system.startswith("ceiling")]
    (grid,) = content.pictures
    assert list(grid.columns) == ["shown", "blurry", "reconstruction"]
    assert grid.retrieved_ids.shape == (8, 5)
    assert content.lead == ""
    assert SIMULATED in page.read_text()


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("reconstructions/manifest.json", "--reconstructions"),
        ("reconstructions/evaluation.json", "mindeye evaluate"),
        ("retrieval.json", "mindeye retrieve"),
    ],
)
@pytest.mark.parametrize(
    ("key", "value", "seen"),
    [
        ("subject", 2, "is of subject 2, but subject 1"),
        ("weights", "f" * 64, "was made with weights ffffffffffff, but"),
    ],
)
def test_what_another_subject_or_run_left_is_refused(
    file, command, key, value, seen, finished_run, page, change_json
):
    def edit(content):
        content.get("about", content)[key] = value

    change_json(finished_run / file, edit)
    with pytest.raises(ValueError, match=seen) as caught:
        report(finished_run, page)
    assert command in str(caught.value)
    assert not page.exists()


@pytest.mark.parametrize(
    ("file", "keys"),
    [
        ("reconstructions/manifest.json", ["about"]),
        ("reconstructions/manifest.json", ["about", "weights"]),
        ("reconstructions/manifest.json", ["about", "subject"]),
        ("reconstructions/manifest.json", ["settings"]),
        ("reconstructions/evaluation.json", ["rows"]),
        ("reconstructions/evaluation.json", ["rows", 0, "value"]),
        ("retrieval.json", ["weights"]),
        ("retrieval.json", ["rows"]),
        ("retrieval.json", ["image_ids"]),
        ("retrieval.json", ["image_ids", 3]),
        ("retrieval.json", ["found_ids"]),
    ],
)
def test_a_file_that_lacks_something_is_named_with_what_to_do(
    file, keys, finished_run, page, change_json
):
    def edit(content):
        *parents, last = keys
        for key in parents:
            content = content[key]
        del content[last]

    change_json(finished_run / file, edit)
    with pytest.raises(ValueError, match=r"mindeye (reconstruct|evaluate|retrieve)") as caught:
        report(finished_run, page)
    assert str(finished_run / file) in str(caught.value)
    assert not page.exists()


def test_a_stack_that_lacks_its_scores_is_refused(finished_run, page):
    path = finished_run / "reconstructions" / "reconstructions.safetensors"
    arrays = load_arrays(path)
    del arrays["scores"]
    save_arrays(path, arrays)
    with pytest.raises(ValueError, match="lacks `scores`"):
        report(finished_run, page)


def rewrite(folder, order):
    """The same reconstructions with other rows."""
    path = folder / "reconstructions.safetensors"
    save_arrays(path, {name: array[order] for name, array in load_arrays(path).items()})


def test_further_columns_are_paired_by_image_id(finished_run, page):
    other = shutil.copytree(finished_run / "reconstructions", finished_run / "other")
    rewrite(other, np.arange(8)[::-1])
    (grid,) = report(finished_run, page, more_columns={"other": other}).pictures
    np.testing.assert_array_equal(grid.columns["other"], grid.columns["reconstruction"])
    assert len(np.unique(grid.columns["other"], axis=0)) == 8


def test_further_columns_of_other_images_are_refused(finished_run, page):
    other = shutil.copytree(finished_run / "reconstructions", finished_run / "other")
    rewrite(other, np.arange(7))
    with pytest.raises(ValueError, match="holds 7 images, but 8 stand beside"):
        report(finished_run, page, more_columns={"other": other})
    assert not page.exists()


def test_further_columns_of_another_run_are_refused(finished_run, page, change_json):
    other = shutil.copytree(finished_run / "reconstructions", finished_run / "other")
    change_json(other / "manifest.json", lambda content: content["about"].update(weights="0" * 64))
    with pytest.raises(ValueError, match="Draw column `other` again"):
        report(finished_run, page, more_columns={"other": other})


def test_reconstructions_that_are_asked_for_and_absent_are_refused(finished_run, page):
    with pytest.raises(FileNotFoundError, match="absent does not exist"):
        report(finished_run, page, reconstructions=finished_run / "absent")
    assert not page.exists()


def test_the_page_says_which_command_makes_what_is_missing(finished_run, page):
    (finished_run / "reconstructions" / "evaluation.json").unlink()
    lead = report(finished_run, page).lead
    assert f"`mindeye evaluate {finished_run}/reconstructions`" in lead
    shutil.rmtree(finished_run / "reconstructions")
    (finished_run / "retrieval.json").unlink()
    content = report(finished_run, page, subject=1)
    assert content.pictures == []
    folder = finished_run / "reconstructions"
    command = f"mindeye reconstruct {finished_run} --out {folder} --subject 1"
    assert f"There are no reconstructions yet: run `{command}`." in content.lead
    assert f"`mindeye retrieve {finished_run} --subject 1`" in content.lead
    assert "There are no reconstructions yet" in page.read_text()


def test_a_run_that_has_moved_keeps_its_results(finished_run, tmp_path, page):
    moved = finished_run.rename(tmp_path / "moved")
    assert len(report(moved, page).pictures) == 1


def test_curves_of_training_and_validation_have_names_of_their_own():
    log = [
        {"step": 0, "learning_rate": 0.1, "top1": 0.2},
        {"step": 5, "top1": 0.4, "validation_top1_subj01": 0.3, "validation_other": 1.0},
    ]
    assert training_curves(log) == {
        "learning_rate/training": ([0], [0.1]),
        "top1/training": ([0, 5], [0.2, 0.4]),
        "top1/validation subj01": ([5], [0.3]),
        "other/validation": ([5], [1.0]),
    }
    assert training_curves([]) == {}

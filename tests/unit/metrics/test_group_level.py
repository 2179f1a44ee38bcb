import numpy as np
import pytest
import scipy.stats

from mindeye.metrics.group_level import SubjectResult, group_result, mean_of_subjects
from mindeye.types import MetricRow


def row(value: float, metric: str = "top-1") -> MetricRow:
    numbers = {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 50, "chance": 0.1}
    return MetricRow(system="ours", metric=metric, better="higher", **numbers)


def results(values, p: float = 0.001) -> list[SubjectResult]:
    return [
        SubjectResult(subject=number, row=row(value), p=p) for number, value in enumerate(values, 1)
    ]


VALUES = [0.9, 0.8, 0.7, 0.75]


def test_subjects_come_first_and_their_mean_last():
    found = group_result(results(VALUES))
    assert [one.value for one in found.rows[:-1]] == VALUES
    mean = found.rows[-1]
    assert (mean.system, mean.metric, mean.n) == ("mean of 4 subjects", "top-1", 4)
    assert mean.value == pytest.approx(np.mean(VALUES))
    assert mean.chance == 0.1


def test_the_interval_of_the_mean_is_students_over_subjects():
    mean = mean_of_subjects([row(value) for value in VALUES])
    expected = scipy.stats.t.interval(0.95, 3, np.mean(VALUES), scipy.stats.sem(VALUES))
    np.testing.assert_allclose([mean.low, mean.high], expected)
    cut = mean_of_subjects([row(value) for value in [1.0, 0.99, 0.4]], (0.0, 1.0))
    assert (cut.low, cut.high) == (0.0, 1.0)


def test_four_subjects_are_told_that_no_test_over_them_can_reach_the_level():
    found = group_result(results(VALUES))
    assert found.sign_flip_floor == 0.125
    assert found.sign_flip == 0.125
    assert "better than chance in 4 of 4 (each p < 0.05 within)" in found.text
    assert "[0.398, 1.000]" in found.text
    assert "With 4 subjects no two-sided sign-flip test can fall below 0.125" in found.limit
    assert "none can reach 0.05" in found.limit
    assert "p =" not in found.text


def test_eight_subjects_can():
    found = group_result(results([0.5, 0.6, 0.7, 0.8, 0.9, 0.4, 0.3, 0.2]))
    assert found.sign_flip_floor == 2 / 2**8
    assert "8 of 8" in found.text
    assert "Sign-flip test over subjects: p = 0.0078" in found.text
    assert found.limit.endswith("can fall below 0.00781.")
    np.testing.assert_allclose(
        found.prevalence[1:], scipy.stats.binomtest(8, 8).proportion_ci(method="exact")
    )


def test_subjects_whose_own_test_fails_do_not_count():
    some = [*results(VALUES), SubjectResult(subject=9, row=row(0.1), p=0.4)]
    found = group_result(some)
    assert found.passed == 4
    assert "4 of 5" in found.text


def test_subjects_are_tested_against_chance_and_not_against_zero():
    values = [0.11, 0.3, 0.4, 0.5, 0.02, 0.6]
    found = group_result(results(values))
    expected = scipy.stats.permutation_test(
        (np.array(values) - 0.1,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert found.sign_flip == pytest.approx(expected.pvalue)
    assert found.sign_flip > found.sign_flip_floor


def test_one_subject_has_no_group_row():
    found = group_result(results([0.9]))
    assert len(found.rows) == 1
    assert "say nothing of other people" in found.limit


def test_many_subjects_are_not_enumerated():
    found = group_result(results(np.linspace(0.5, 0.9, 20)))
    assert np.isnan(found.sign_flip)
    assert "p =" not in found.text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (results(VALUES) + results([0.3]), "subject 1 stands twice"),
        ([], "no subjects"),
        (
            [*results([0.5]), SubjectResult(subject=2, row=row(0.5, metric="SSIM"), p=0.1)],
            r"not in \['SSIM', 'top-1'\]",
        ),
    ],
)
def test_what_is_no_group_is_refused(given, text):
    with pytest.raises(ValueError, match=text):
        group_result(given)

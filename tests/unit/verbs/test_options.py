import argparse
from pathlib import Path

import pytest

from mindeye.cli import make_parser
from mindeye.verbs.options import conversion_of


def parse(*arguments: str) -> argparse.Namespace:
    return make_parser().parse_args(arguments)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["mindeye1"], "Give FAMILY and FILE, or --to FAMILY and RUN"),
        (["mindeye1", "file", "more"], "Give FAMILY and FILE"),
        (["mindeye1", "run", "--to", "mindeye1"], "--to FAMILY and RUN"),
        (["mindeye1", "file", "--out", "out"], "Give --subjects of the checkpoint's ridge layers"),
        (["mindeye1", "file", "--subjects", "1"], "and --out RUN"),
        (["--to", "mindeye2", "run", "--keep-idle"], "--keep-idle is of no use for it. Leave"),
        (["run", "--to", "mindeye2", "--subjects", "1"], "--subjects is of no use for it"),
    ],
)
def test_a_conversion_that_is_not_complete_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        conversion_of(parse("convert", *given))


def test_a_conversion_is_of_a_file_and_an_export_of_a_run():
    options = parse("convert", "mindeye2", "a.pth", "--subjects", "1", "--out", "run")
    assert conversion_of(options) == ("mindeye2", Path("a.pth"))
    assert conversion_of(parse("convert", "--to", "mindeye1", "run")) == ("mindeye1", Path("run"))

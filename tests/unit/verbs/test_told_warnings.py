"""What the library logs is told by the command in sentences of its own."""

import argparse
import logging
import sys

from mindeye import cli
from mindeye.verbs.told_warnings import telling_warnings


def test_a_warning_is_told_once_and_without_prefix(monkeypatch, capsys):
    # As another library leaves the root that has called `logging.basicConfig`.
    of_another = logging.StreamHandler(sys.stderr)
    of_another.setFormatter(logging.Formatter(logging.BASIC_FORMAT))
    monkeypatch.setattr(logging.getLogger(), "handlers", [of_another])
    log = logging.getLogger("mindeye.training.segments")
    with telling_warnings():
        log.warning("From step %d on: %s.", 5, "another commit")
        log.info("not told")
    assert capsys.readouterr().err == "mindeye: From step 5 on: another commit.\n"
    log.warning("afterwards as before")
    assert capsys.readouterr().err == "WARNING:mindeye.training.segments:afterwards as before\n"


def test_the_command_tells_warnings_so(monkeypatch, capsys):
    def perform(options):
        logging.getLogger("mindeye.checkpoint_pair").warning("A checkpoint is damaged.")

    parser = argparse.ArgumentParser()
    parser.set_defaults(perform=perform, debug=False)
    monkeypatch.setattr(cli, "make_parser", lambda: parser)
    cli.main([])
    assert capsys.readouterr().err == "mindeye: A checkpoint is damaged.\n"

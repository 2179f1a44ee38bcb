"""`mindeye gallery ACTION`: its actions; imports nothing that is slow."""

import argparse
from collections.abc import Iterator

from mindeye.verbs.gallery.build_options import build_options, perform_build
from mindeye.verbs.gallery.duplicates_options import duplicates_options, perform_duplicates
from mindeye.verbs.gallery.index_options import index_options, perform_index
from mindeye.verbs.gallery.mixtures_options import mixtures_options, perform_mixtures
from mindeye.verbs.gallery.plan_options import perform_plan, plan_options
from mindeye.verbs.gallery.scenes_options import perform_scenes, scenes_options
from mindeye.verbs.gallery.search_options import perform_search, search_options
from mindeye.verbs.gallery.serve_options import perform_serve, serve_options

# What adds an action's options, and what performs it and gives lines for the screen.
ACTIONS = (
    (scenes_options, perform_scenes),
    (build_options, perform_build),
    (mixtures_options, perform_mixtures),
    (duplicates_options, perform_duplicates),
    (index_options, perform_index),
    (search_options, perform_search),
    (serve_options, perform_serve),
    (plan_options, perform_plan),
)


def gallery_options(verbs) -> argparse.ArgumentParser:
    """`mindeye gallery`."""
    about = "galleries of any size: pictures or embeddings in, searchable vectors out"
    # Without --debug: it stands behind the action, as all options do.
    verb = verbs.add_parser(
        "gallery",
        help=about,
        description=about,
        epilog="example:\n  mindeye gallery build pictures --out gallery",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = "each has its own --help with an example"
    actions = verb.add_subparsers(title="actions", required=True, metavar="ACTION", help=what)
    for add_options, perform in ACTIONS:
        add_options(actions).set_defaults(perform_action=perform)
    return verb


def perform_gallery(options: argparse.Namespace) -> Iterator[str]:
    """Performs the action that was named."""
    return options.perform_action(options)

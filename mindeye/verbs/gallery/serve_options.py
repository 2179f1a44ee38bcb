"""`mindeye gallery serve`: its options, and what it says; imports nothing that is slow."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from mindeye.verbs.gallery.engine_options import add_engine, engine_of
from mindeye.verbs.shared_options import add_data, add_device, add_subject, add_verb

LOOPBACK = "127.0.0.1"


def serve_options(actions) -> argparse.ArgumentParser:
    """`mindeye gallery serve`."""
    about = "search a gallery in the browser, or with clip-retrieval's clients"
    example = "mindeye gallery serve gallery --run mindeye-demo/run --port 1234"
    action = add_verb(actions, "serve", about, example)
    action.add_argument("gallery", type=Path, help="folder of `mindeye gallery build`")
    action.add_argument("--host", default=LOOPBACK, help=f"address to listen on ({LOOPBACK})")
    action.add_argument("--port", type=port_number, default=1234, help="0: a free one (1234)")
    exposed = "let other machines ask; there is no password: whoever reaches the port may search"
    action.add_argument("--expose", action="store_true", help=exposed)
    run = "whose test scans are decoded: the page finds pictures by them"
    action.add_argument("--run", type=Path, metavar="RUN", help=run)
    clip = "folder of the CLIP that embedded the gallery (default: the offline one, or the run's)"
    action.add_argument("--clip", type=Path, metavar="FOLDER", help=clip)
    name = "of the index, as clip-retrieval's clients give it (default: the folder's name)"
    action.add_argument("--name", help=name)
    origin = "a page of another server that may ask, such as https://front.example"
    action.add_argument("--allow-origin", nargs="+", default=(), metavar="ORIGIN", help=origin)
    for option, kind, metavar, default, text in (
        ("--max-k", int, "N", 1_000, "results of a search"),
        ("--max-body", int, "BYTES", 8_000_000, "bytes of a request"),
        ("--max-pixels", int, "N", 25_000_000, "pixels of a picture"),
        ("--rate", float, "R", 5.0, "searches a second of one client, after 20 at once"),
        ("--concurrency", int, "N", 2, "searches that run at the same time"),
    ):
        about = f"{text}, at most (default: {default})"
        action.add_argument(option, type=kind, default=default, metavar=metavar, help=about)
    add_engine(action)
    add_subject(action)
    add_data(action)
    add_device(action)
    return action


def perform_serve(options: argparse.Namespace) -> Iterator[str]:
    """Serves until Ctrl-C."""
    from mindeye.retrieval.gallery.serving.limits import ServeLimits
    from mindeye.verbs.gallery.serve import listen, open_service, require_server, serve

    if options.run is None and (options.subject is not None or options.data is not None):
        raise ValueError("--subject and --data belong to a run. Name it with --run.")
    require_server()
    names = ("max_k", "max_body", "max_pixels", "rate", "concurrency")
    limits = ServeLimits(**{name: getattr(options, name) for name in names})
    with listen(options.host, options.port, expose=options.expose) as listening:
        names = ("clip", "name", "run", "subject", "data", "device")
        given = {name: getattr(options, name) for name in names}
        given["engine"] = engine_of(options)
        service = open_service(options.gallery, limits=limits, **given)
        yield f"{service.name}: {service.gallery.num_kept:,} vectors, {service.index.about}"
        yield from service.notes
        if options.expose:
            yield f"warning: every machine that reaches {options.host} may search, unasked"
        yield f"page: {listening.address} (Ctrl-C ends it)"
        serve(service, listening, origins=options.allow_origin)
    yield "stopped"


def port_number(text: str) -> int:
    """A port of TCP; 0: a free one."""
    number = int(text)
    if not 0 <= number < 2**16:
        raise argparse.ArgumentTypeError(f"{number} is no port; give 0 to 65535")
    return number

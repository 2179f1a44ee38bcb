"""Fetches the networks that judge pictures into one folder, and converts them to safetensors.

python data_scripts/metric_networks.py --list
python data_scripts/metric_networks.py alexnet inception efficientnet swav --out NETWORKS
python data_scripts/metric_networks.py swav --out NETWORKS --files DOWNLOADS   # nothing is fetched
"""

import argparse
from pathlib import Path

from mindeye.targets.metric_networks.published_files import PUBLISHED_NETWORKS
from mindeye.verbs.evaluation.fetch_networks import fetch_network


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PUBLISHED_NETWORKS))
    parser.add_argument("--out", type=Path, help="folder of networks; each becomes a subfolder")
    parser.add_argument("--files", type=Path, help="where the published files already lie")
    parser.add_argument("--list", action="store_true", help="addresses and terms, and nothing else")
    arguments = parser.parse_args()
    if arguments.list:
        for name, about in PUBLISHED_NETWORKS.items():
            places = [about.hub] if about.hub else [one.url for one in about.files]
            print(f"{name}: {', '.join(places)} [{about.terms}]")
        return
    if not arguments.names or arguments.out is None:
        parser.error("name the networks and the folder: NAME ... --out NETWORKS")
    try:
        for name in arguments.names:
            print(f"{arguments.out / name}: {fetch_network(name, arguments.out, arguments.files)}")
    except (ValueError, LookupError, OSError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()

"""Fetches a teacher of maps for the low-level network into a folder of networks.

python data_scripts/map_teachers.py --list
python data_scripts/map_teachers.py dinov2-base --out NETWORKS
python data_scripts/map_teachers.py vicregl-xl --out NETWORKS --files DOWNLOADS  # fetches nothing
python data_scripts/map_teachers.py convnext-base --out NETWORKS --layer 2 --side 256
"""

import argparse
from pathlib import Path

from mindeye.verbs.fetch_teacher import fetch_teacher, lines_of_teachers


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("name", nargs="?", help="one of --list")
    parser.add_argument("--out", type=Path, help="folder of networks; the teacher is a subfolder")
    parser.add_argument("--files", type=Path, help="where the published file already lies")
    parser.add_argument("--side", type=int, help="of the pictures (default: gives 16 x 16 places)")
    parser.add_argument("--layer", type=int, default=-1, help="whose output (default: the last)")
    parser.add_argument("--list", action="store_true", help="addresses and terms, and nothing else")
    arguments = parser.parse_args()
    if arguments.list:
        print(*lines_of_teachers(), sep="\n")
        return
    if arguments.name is None or arguments.out is None:
        parser.error("name the teacher and the folder: NAME --out NETWORKS")
    try:
        names = ("name", "out", "files", "side", "layer")
        made = fetch_teacher(**{name: getattr(arguments, name) for name in names})
    except (ValueError, LookupError, OSError) as error:
        parser.exit(2, f"{error}\n")
    print(f"{arguments.out / arguments.name}: {made}")


if __name__ == "__main__":
    main()

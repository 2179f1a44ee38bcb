"""Retrieval of a run's test images: python eval/retrieval.py RUN --pools 100 300"""

import sys

from mindeye.cli import main

if __name__ == "__main__":
    main(["retrieve", *sys.argv[1:]])

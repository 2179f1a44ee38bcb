"""Scores a folder of reconstructions: python eval/reconstructions.py RUN/reconstructions"""

import sys

from mindeye.cli import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])

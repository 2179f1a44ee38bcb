"""Prepares a data set: python data_scripts/prepare.py nsd ROOT --subject 1 --out prepared"""

import sys

from mindeye.cli import main

if __name__ == "__main__":
    main(["prepare", *sys.argv[1:]])

"""Trains a decoder; also for several processes.

python train/decoder.py train/configs/simulated.yaml --out runs/one
accelerate launch train/decoder.py train/configs/simulated.yaml --out runs/one
"""

import sys

from mindeye.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])

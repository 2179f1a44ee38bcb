"""Trains a decoder; also for several processes.

python train/decoder.py train/configs/simulated.yaml --out runs/one
accelerate launch train/decoder.py train/configs/simulated.yaml --out runs/one

The GPUs of one node, each with all weights, or sharing them out (FSDP2):

accelerate launch --config_file train/configs/accelerate/ddp.yaml --num_processes 8 \\
    train/decoder.py CONFIG --out RUN
accelerate launch --config_file train/configs/accelerate/fsdp2.yaml --num_processes 8 \\
    train/decoder.py CONFIG --out RUN

Several nodes, on each the same line with its own rank; all must see RUN:

accelerate launch --config_file train/configs/accelerate/ddp.yaml --num_machines 2 \\
    --num_processes 16 --machine_rank 0 --main_process_ip ADDRESS --main_process_port 29500 \\
    train/decoder.py CONFIG --out RUN

Two processes on a CPU:

ACCELERATE_USE_CPU=true python -m torch.distributed.run --nproc_per_node 2 \\
    train/decoder.py CONFIG --out RUN

`schedule.batch` and `schedule.learning_rate` are those of all processes together: the training is
the same one in any number of processes, up to rounding and to dropout's masks.
"""

import sys

from mindeye.cli import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])

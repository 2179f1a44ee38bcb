"""One step, its schedule, the loop, and the configuration of a run."""

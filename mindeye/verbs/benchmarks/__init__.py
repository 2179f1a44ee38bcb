"""What the programs in eval/benchmarks measure."""

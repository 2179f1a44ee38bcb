"""`mindeye analyse`: what a run's voxels say, and where."""

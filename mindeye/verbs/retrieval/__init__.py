"""`mindeye retrieve` and `mindeye bench retrieval`."""

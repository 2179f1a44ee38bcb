"""`mindeye evaluate` and `mindeye compare`: pictures against what was shown."""

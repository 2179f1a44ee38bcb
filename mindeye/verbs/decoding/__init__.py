"""`mindeye decode` and `mindeye scans`: somebody's saved scan."""

"""`mindeye demo`, simulated or on a real recording."""

"""`mindeye train`: its options, and those who look on while it runs."""

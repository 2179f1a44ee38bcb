"""What all generators of random numbers have in common."""

LARGEST_SEED = 2**63 - 1
"""torch's take no larger one."""

"""What stands beside drawn pictures: trust, captions, contact sheets, and sweeps of strengths."""

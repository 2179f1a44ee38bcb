"""True pictures among distractors: ranks, and what lies beyond the gallery."""

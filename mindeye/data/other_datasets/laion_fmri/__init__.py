"""LAION-fMRI: from its published files to a prepared folder."""

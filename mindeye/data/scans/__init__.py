"""Anyone's saved scans -> checked betas: one file a form."""

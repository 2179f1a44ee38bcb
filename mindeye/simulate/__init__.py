"""A made-up subject, honestly labelled: drawn pictures and the betas they would evoke."""

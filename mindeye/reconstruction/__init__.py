"""From decoded tokens to pictures."""

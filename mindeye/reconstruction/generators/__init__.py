"""Image tokens -> pictures; one generator a file."""

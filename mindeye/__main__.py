"""`python -m mindeye`."""

from mindeye.cli import main

main()

"""What the command line offers, each as a function: the programs of the house."""

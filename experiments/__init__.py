"""Scripts that a person runs: the growing-batch experiment, and what makes its parts."""

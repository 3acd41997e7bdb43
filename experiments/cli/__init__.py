"""The console script ``rest``: one command for all that a person runs."""

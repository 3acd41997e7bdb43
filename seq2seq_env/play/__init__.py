"""Playing the environment in a terminal."""

"""Translation of lines for the command line."""

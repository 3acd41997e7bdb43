"""What all commands do with their arguments: parse them, read them from a file, refuse them in a sentence."""

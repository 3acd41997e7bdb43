"""Programs to read and to copy: what users of the environment write themselves, in one file each."""

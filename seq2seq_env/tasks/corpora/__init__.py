"""Tasks made of text: files, the hub, cleaning and hold-out."""

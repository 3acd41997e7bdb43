"""The Grow step: what is sampled and scored, by whom, and what it will cost."""

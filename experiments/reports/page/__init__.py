"""The report as a page: one self-contained HTML file, from the same parts as ``results.md``."""

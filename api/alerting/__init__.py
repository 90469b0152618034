"""Who is told of what: the settings and their file, and the decision on each alert. No store, no
clock; only ``document`` and ``secrets`` read files."""

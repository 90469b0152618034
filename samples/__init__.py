"""Data only: clips, scenes, expectations and the manifest of clips that may not be shipped."""

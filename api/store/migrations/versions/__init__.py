"""The changes, each named for its number and what it does."""

"""Evidence as the API keeps it: originals, what masks them and masked copies in a folder or bucket,
their hashes in a chain, and what the law lets go with a signed tombstone."""

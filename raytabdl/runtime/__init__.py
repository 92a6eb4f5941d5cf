"""The search on Ray: the only part of the package that knows it."""

"""Classic models, trained in iterations: trials of the same search as the networks."""

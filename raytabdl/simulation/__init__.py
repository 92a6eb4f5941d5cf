"""A search on a simulated clock: the sampler and the race of a real run, with learning curves in place of training."""

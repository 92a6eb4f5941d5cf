"""Which configuration to try next, and how long to train it: arithmetic on records, without Ray and torch."""

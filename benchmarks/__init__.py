"""Studies of speed and accuracy: too long for tests, and speed only as ratios within one run."""

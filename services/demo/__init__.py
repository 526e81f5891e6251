"""The demonstration on a simulated studio."""

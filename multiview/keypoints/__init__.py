"""Pure array functions on 2D poses: decoding what networks give, grouping, suppression, crops."""

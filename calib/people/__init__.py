"""A rig from people who walk, without a board: their joints are the calibration points."""

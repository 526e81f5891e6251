"""ChArUco calibration: from images of a board to a rig."""

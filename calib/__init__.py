"""ChArUco calibration: from pictures of a board to a rig."""

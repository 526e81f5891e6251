"""From corners to a rig, and checks of a rig."""

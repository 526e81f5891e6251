"""Track-first assignment: predicted people claim detections, then joints are repaired one by one."""

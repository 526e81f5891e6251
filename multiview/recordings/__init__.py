"""What is on disk: takes, logs, pose tables, keypoint folders, ground truth."""

"""`multiview batch`: many recordings on one machine, a Ray cluster or Slurm."""

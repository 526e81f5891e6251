"""Many recordings: which there are, the jobs that they make, the work of a job, and what came of it."""

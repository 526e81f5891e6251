"""Detection of board corners in images and videos."""

"""Detection of board corners in pictures and videos."""

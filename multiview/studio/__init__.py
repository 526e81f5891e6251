"""Studio files, and fusion of the stream that a studio produces."""

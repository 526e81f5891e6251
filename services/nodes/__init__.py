"""The processes of a studio, one file each."""

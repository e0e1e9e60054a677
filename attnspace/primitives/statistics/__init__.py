"""Statistics: one file each."""

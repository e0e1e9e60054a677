"""Blocks: one file each."""

"""Squeezes: one file each."""

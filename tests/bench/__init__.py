"""Tests of the measurements: that they measure real work, not how fast it is."""

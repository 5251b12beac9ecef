"""Tests of the broker, on real Redis servers."""

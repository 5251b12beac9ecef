"""Measurements: the broker beside its peers. README.md says what each row means and holds the last figures."""

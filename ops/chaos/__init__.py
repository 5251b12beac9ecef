"""Commands that break things on purpose, for as long as one likes, and count what was lost."""

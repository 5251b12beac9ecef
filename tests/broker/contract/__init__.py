"""What Dramatiq expects of any broker, asked of this one on a real Redis."""

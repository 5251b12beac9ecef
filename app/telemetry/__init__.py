"""What the platform says about itself: log lines and metrics."""

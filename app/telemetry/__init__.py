"""What the platform says about itself: log lines, metrics, errors and traces."""

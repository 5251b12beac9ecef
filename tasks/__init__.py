"""What workers and the clock run. Actors are thin: lock, check, record, tell; what they do is in `app`."""

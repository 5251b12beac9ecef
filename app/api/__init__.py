"""The HTTP face: views that shape, act and answer; everything they know is asked of `app.platform`."""

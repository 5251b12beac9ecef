"""Commands and files that run the platform: set-up, servers for development, deploys, samples, measurements."""

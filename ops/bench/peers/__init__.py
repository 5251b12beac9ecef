"""The contenders, each a small program that obeys `ops.bench.stage`: ours, Dramatiq's, and other projects' queues."""

"""Dramatiq's own RedisBroker under gevent, as `dramatiq-gevent` runs it: greenlets in place of threads."""

from gevent import monkey

monkey.patch_all()

from ops.bench import stage  # noqa: E402
from ops.bench.peers.dramatiq_redis import make  # noqa: E402

if __name__ == "__main__":
    stage.main(make)

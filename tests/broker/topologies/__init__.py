"""Redis Sentinel, Redis Cluster, TLS and access control lists, each on real servers."""

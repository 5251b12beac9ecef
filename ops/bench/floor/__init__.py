"""A yardstick, not a service: the smallest assembly by hand that keeps what it has accepted.

Flask, orjson, psycopg and XADD; a worker that takes what is waiting and records it in one transaction; a hub of
notices. A request is committed before its 202, a verdict before its notice and its acknowledgement, and a worker that
was killed finds its messages again. It shows what the parts cost by themselves: all that makes a service of them is
missing, such as tokens in a database, problems, metrics, logs, limits, languages, retries, dead letters, versions of
rule sets, and whoever sends again what was lost between commit and stream.
"""

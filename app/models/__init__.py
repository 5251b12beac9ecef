"""The tables, one noun a file: its columns first, then its verbs.

A verb takes the session as its first argument, never opens or ends a transaction, and changes state only with the old
state in its WHERE.
"""

"""The domain of Rate Platform and its HTTP face.

Importing this package loads nothing: a worker that needs the models never loads Flask.
"""

"""How the web process speaks HTTP: gunicorn's gevent worker, with a shorter way for what nearly all requests are."""

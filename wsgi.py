"""The web door: what gunicorn and the `flask` command open.

Settings that cannot be used end the process with a line for each. The exit code is 3, because gunicorn gives up when a
worker ends with that one, and starts the next worker after any other. Only commands start nevertheless, for some need
no settings; those that do end in the same way.
"""

import sys

from app import cli
from app.factory import create_app
from app.settings import Settings, SettingsError

try:
    app = create_app(Settings.from_env())
except SettingsError as error:
    if not cli.is_choosing():
        print(error, file=sys.stderr)
        sys.exit(3)
    app = cli.alone(error)

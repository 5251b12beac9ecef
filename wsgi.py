"""The web door: what gunicorn and the `flask` command open."""

import sys

from app.factory import create_app
from app.settings import Settings, SettingsError

try:
    app = create_app(Settings.from_env())
except SettingsError as error:
    print(error, file=sys.stderr)
    sys.exit(2)

"""The web process: `gunicorn app:app`."""

import os

from bot.config import Config
from bot.web import create_app
from bot.wiring import build

app = create_app(build(Config.from_env(os.environ)))

"""The web process as a WSGI application: `app:app` for any WSGI server."""

import os

from bot.web import create_app
from bot.wiring import build, configured

config = configured(os.environ)
app = create_app(build(config), proxies=config.trusted_proxies)

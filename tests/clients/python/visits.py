"""A web application with sentry-sdk that serves three visits and breaks on a fourth. The DSN is in SENTRY_DSN."""

import sentry_sdk
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware


def shop(environ, start_response):
    if environ["PATH_INFO"] == "/broken":
        raise RuntimeError("basket 17 has no total")
    start_response("200 OK", [])
    return [b"ok"]


sentry_sdk.init(auto_session_tracking=True)
application = SentryWsgiMiddleware(shop)
for path in ["/", "/cart", "/pay", "/broken"]:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_NAME": "shop", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
    try:
        list(application(environ, lambda *_: None))
    except RuntimeError:
        pass

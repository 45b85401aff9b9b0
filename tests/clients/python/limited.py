"""An application with sentry-sdk that meets a limit for events and goes on counting visits. The DSN is in SENTRY_DSN."""

import sentry_sdk
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

sentry_sdk.init(auto_session_tracking=True)
for basket in range(10):
    sentry_sdk.capture_message(f"basket {basket} has no total")
    sentry_sdk.flush()
application = SentryWsgiMiddleware(lambda environ, start_response: start_response("200 OK", []) or [b"ok"])
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_NAME": "shop", "SERVER_PORT": "80", "wsgi.url_scheme": "http"}
list(application(environ, lambda *_: None))
sentry_sdk.get_client().session_flusher.flush()
sentry_sdk.flush()

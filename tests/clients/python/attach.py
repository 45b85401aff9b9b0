"""An application with sentry-sdk that sends files along with a message. The DSN is in SENTRY_DSN."""

import sentry_sdk

sentry_sdk.init()
scope = sentry_sdk.get_current_scope()
scope.add_attachment(bytes=b"17 put into basket\n17 paid\n", filename="till.log")
scope.add_attachment(path=__file__)
sentry_sdk.capture_message("basket 17 has no total")
sentry_sdk.flush()

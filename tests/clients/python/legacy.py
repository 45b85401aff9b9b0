"""An application with raven, whose client reports what nobody caught. The DSN is in SENTRY_DSN."""

import json

import raven

client = raven.Client(include_paths=["__main__"])


def read_basket(text):
    return json.loads(text)


read_basket('{"items": ')

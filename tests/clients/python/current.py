"""An application with sentry-sdk that dies of an exception nobody caught. The DSN is in SENTRY_DSN."""

import json

import sentry_sdk


class BasketUnreadable(Exception):
    pass


def read_basket(text):
    try:
        return json.loads(text)
    except ValueError as error:
        raise BasketUnreadable("basket of session 17 is not JSON") from error


sentry_sdk.init()
read_basket('{"items": ')

#!/bin/bash
# A script with sentry-cli's hook for bash that dies of a failing command. The DSN is in SENTRY_DSN,
# and sentry-cli is on the PATH.
eval "$(sentry-cli bash-hook)"

charge_basket() {
    grep -q total "/nonexistent/basket-$1"
}

charge_basket 17

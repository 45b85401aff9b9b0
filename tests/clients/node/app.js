// An application with @sentry/node that dies of an exception nobody caught. The DSN is in SENTRY_DSN.
import * as Sentry from "@sentry/node";

Sentry.init();

class BasketError extends Error {
  name = "BasketError";
}

function chargeBasket(basket) {
  if (!basket.total) throw new BasketError(`basket ${basket.id} has no total`);
}

// From a timer, so that frames of Node itself are in the stack.
setTimeout(function checkout() {
  chargeBasket({ id: 17 });
}, 1);

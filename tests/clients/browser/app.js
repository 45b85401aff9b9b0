// A page with @sentry/browser whose click handler throws, and which asks people what happened when window.shop.ask is called.
// The page sets window.shop.dsn and .release.
import * as Sentry from "@sentry/browser";

Sentry.init({ dsn: window.shop.dsn, release: window.shop.release, environment: "test" });

class BasketError extends Error {
  name = "BasketError";
}

function chargeBasket(basket) {
  if (!basket.total) throw new BasketError(`basket ${basket.id} has no total`);
}

window.shop.ask = (options) => Sentry.showReportDialog(options);

document.querySelector("button").addEventListener("click", function checkout() {
  chargeBasket({ id: 17 });
});

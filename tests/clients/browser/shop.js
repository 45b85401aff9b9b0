// A page with @sentry/browser and a button for each of its bugs. The page sets window.shop.dsn and .release.
import * as Sentry from "@sentry/browser";

Sentry.init({ dsn: window.shop.dsn, release: window.shop.release, environment: "production" });

const bugs = {
  charge: function chargeCard() { throw new RangeError("the card has no number"); },
  cart: function emptyCart() { throw new TypeError("the cart is gone"); },
  greet: function greetPerson() { throw new SyntaxError("no name to greet"); },
  stock: function countStock() { throw new EvalError("less than nothing in stock"); },
};

for (const [name, bug] of Object.entries(bugs)) {
  const button = document.createElement("button");
  button.id = name;
  button.addEventListener("click", bug);
  document.body.append(button);
}

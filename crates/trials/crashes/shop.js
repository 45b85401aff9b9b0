// A shop that fails in many ways: `run(bug, n)` fails as bug `bug` with input `n`.
'use strict';
const fs = require('fs');

const prices = { tea: { amount: 3 } };

class ShopError extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = 'ShopError';
  }
}

function ensure(condition, message) {
  if (!condition) throw new Error(message);
}

function fail(message) {
  throw new ShopError(message);
}

// EDIT-CALLEES
function amountOf(name) {
  return prices[name].amount;
}

function total(names) {
  return names.map((name) => amountOf(name)).reduce((a, b) => a + b, 0);
}

function cityOf(customer) {
  return customer.address.city;
}

function reserve(n) {
  ensure(n < 10, `cannot reserve ${n} items`);
}

function refund(n) {
  ensure(n < 0, `refund of ${n} was paid already`);
}

function ship(n) {
  fail(`no courier for parcel ${n}`);
}

function bill(n) {
  fail(`customer ${n} has no account`);
}

function makeGrid(n) {
  return new Array(-1 - n);
}

function depth(n) {
  return 1 + (n % 2 ? height(n + 1) : depth(n + 1));
}

function height(n) {
  return 1 + depth(n + 1);
}

function readRules(n) {
  return JSON.parse(fs.readFileSync(`/nonexistent/rules-${n}.json`));
}

function parseHook(text) {
  return JSON.parse(text);
}

function closeAccount(n) {
  if (n % 2) throw new Error(`account ${n} is still open`);
  throw new Error(`statement of ${n} was not sent`);
}

function loadProfile(n) {
  try {
    return amountOf(`profile-${n}`);
  } catch (cause) {
    throw new ShopError(`profile ${n} is gone`, { cause });
  }
}

async function later(work) {
  await null;
  return work();
}

async function notify(n) {
  await later(() => null);
  const guest = n > 0 ? undefined : null;
  return guest.phone.number;
}

class Cart {
  get first() {
    return this.lines.items[0];
  }

  close(n) {
    return this.seal(n);
  }
}

// EDIT-CALLER
async function handle(bug, n) {
  const work = {
    'amount-undefined': () => total(['tea', `coffee-${n}`]),
    'city-null': () => cityOf({ n }),
    'reserve-helper': () => reserve(n + 20),
    'refund-helper': () => refund(n),
    'ship-helper': () => ship(n),
    'bill-helper': () => bill(n),
    'grid-range': () => makeGrid(n),
    'depth-recursion': () => depth(n % 2),
    'rules-missing': () => readRules(n),
    'hook-json': () => parseHook(`{"n": ${n}`),
    'close-open': () => closeAccount(2 * n + 1),
    'close-unsent': () => closeAccount(2 * n),
    'profile-cause': () => loadProfile(n),
    'notify-async': () => notify(n),
    'cart-getter': () => new Cart().first,
    'cart-method': () => new Cart().close(n),
  }[bug];
  return await work();
}

module.exports.run = (bug, n) => handle(bug, n);

"""A shop that fails in many ways: `run(bug, n)` fails as bug number `bug` with input `n`."""
import json
import threading

PRICES = {"tea": 3, "milk": 2}


class ShopError(Exception):
    pass


def require(condition, message):
    if not condition:
        raise ShopError(message)


def log_and_raise(message):
    raise RuntimeError(message)


# EDIT-CALLEES
def price_of(name):
    return PRICES[name]


def total(names):
    return sum(price_of(name) for name in names)


def mean(numbers):
    return sum(numbers) / len(numbers)


def city_of(customer):
    return customer.address.city


def reserve(n):
    require(n < 10, f"cannot reserve {n} items")


def refund(n):
    require(n < 0, f"refund of {n} was paid already")


def ship(n):
    log_and_raise(f"no courier for parcel {n}")


def bill(n):
    log_and_raise(f"customer {n} has no account")


def import_row(text):
    return int(text)


def depth(n):
    return 1 + (height(n + 1) if n % 2 else depth(n + 1))


def height(n):
    return 1 + depth(n + 1)


def read_rules(n):
    with open(f"/nonexistent/rules-{n}.json") as rules:
        return json.load(rules)


def parse_hook(text):
    return json.loads(text)


def close_account(n):
    if n % 2:
        raise ValueError(f"account {n} is still open")
    raise ValueError(f"statement of {n} was not sent")


def load_profile(n):
    try:
        return price_of(f"profile-{n}")
    except KeyError as error:
        raise ShopError(f"profile {n} is gone") from error


def in_thread(work):
    failure = []

    def run_it():
        try:
            work()
        except Exception as error:
            failure.append(error)

    thread = threading.Thread(target=run_it)
    thread.start()
    thread.join()
    raise failure[0]


def pick(n):
    return [1, 2, 3][n]


def join_name(first, last):
    return first + last


# EDIT-CALLER
def handle(bug, n):
    work = {
        "price-key": lambda: total(["tea", f"coffee-{n}"]),
        "mean-empty": lambda: mean([]),
        "city-none": lambda: city_of(None),
        "reserve-helper": lambda: reserve(n + 20),
        "refund-helper": lambda: refund(n),
        "ship-helper": lambda: ship(n),
        "bill-helper": lambda: bill(n),
        "import-int": lambda: import_row(f"{n}x"),
        "depth-recursion": lambda: depth(n % 2),
        "rules-missing": lambda: read_rules(n),
        "hook-json": lambda: parse_hook("{" + str(n)),
        "close-open": lambda: close_account(2 * n + 1),
        "close-unsent": lambda: close_account(2 * n),
        "profile-chain": lambda: load_profile(n),
        "pick-thread": lambda: in_thread(lambda: pick(n + 5)),
        "name-types": lambda: join_name("a", n),
    }[bug]
    return work()


def run(bug, n):
    return handle(bug, n)

"""A clinic that fails in many ways: `run(bug, n)` fails as bug number `bug` with input `n`."""
import asyncio
import contextlib
import dataclasses
import functools


class ClinicError(Exception):
    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")


def traced(work):
    @functools.wraps(work)
    def inner(*args, **kwargs):
        return work(*args, **kwargs)
    return inner


def fail_with(code, message):
    raise ClinicError(code, message)


@dataclasses.dataclass
class Patient:
    name: str
    age: int = 0
    ward: object = None


class Ward:
    def __init__(self, beds):
        self.beds = beds

    @property
    def free(self):
        return self.beds.count

    def __getitem__(self, number):
        return self.beds[number]


# EDIT-CALLEES
class Visitor:
    def visit(self, node):
        method = getattr(self, "visit_" + node[0])
        return method(*node[1:])

    def visit_list(self, *nodes):
        return [self.visit(node) for node in nodes]

    def visit_dose(self, amount, unit):
        return amount * {"mg": 1, "g": 1000}[unit]

    def visit_ratio(self, a, b):
        return a / b


@traced
def admit(patient):
    return patient.ward.beds


@traced
def discharge(patients, name):
    return [p for p in patients if p.name == name][0]


def transfer(patient, n):
    if n % 2:
        raise ClinicError(409, f"patient {n} is already in another ward")
    raise ClinicError(423, f"ward of {n} is locked")


def order_drug(n):
    fail_with(404, f"drug {n} is not in the list")


def order_scan(n):
    fail_with(503, f"scanner {n} has no slot today")


def birthday(text):
    day, month, year = text.split(".")
    return int(day), int(month), int(year)


def merge(records):
    for key in records:
        if key.startswith("old"):
            del records[key]


def stay(first, last):
    return last - first


@contextlib.contextmanager
def theatre(n):
    try:
        yield n
    finally:
        pass


def operate(n):
    with theatre(n) as room:
        return room.lights


async def page(doctor):
    await asyncio.sleep(0)
    return doctor["phone"]


async def page_all(doctors):
    return await asyncio.gather(*(page(doctor) for doctor in doctors))


def bill(n):
    try:
        return 100 / (n - n)
    except ZeroDivisionError as error:
        raise ClinicError(422, f"bill {n} cannot be split") from error


def encode(text):
    return text.encode("ascii")


# EDIT-CALLER
def handle(bug, n):
    visitor = Visitor()
    work = {
        "dose-unit": lambda: visitor.visit(("list", ("dose", n, "mg"), ("dose", n, "drops"))),
        "dose-kind": lambda: visitor.visit(("list", ("pill", n))),
        "ratio-zero": lambda: visitor.visit(("list", ("ratio", n, 0))),
        "admit-ward": lambda: admit(Patient(f"p{n}")),
        "discharge-unknown": lambda: discharge([Patient("a")], f"b{n}"),
        "transfer-other": lambda: transfer(None, 2 * n + 1),
        "transfer-locked": lambda: transfer(None, 2 * n),
        "drug-fail": lambda: order_drug(n),
        "scan-fail": lambda: order_scan(n),
        "birthday-parts": lambda: birthday(f"{n}.12"),
        "birthday-letters": lambda: birthday(f"{n}.dec.1990"),
        "merge-changed": lambda: merge({"old1": n, "old2": n}),
        "stay-types": lambda: stay("monday", n),
        "operate-room": lambda: operate(n),
        "page-phone": lambda: asyncio.run(page_all([{"name": "a", "n": n}])),
        "bill-cause": lambda: bill(n),
        "ward-index": lambda: Ward([1, 2])[n + 9],
        "ward-free": lambda: Ward(None).free,
        "encode-name": lambda: encode("é" * n),
    }[bug]
    return work()


def run(bug, n):
    return handle(bug, n)

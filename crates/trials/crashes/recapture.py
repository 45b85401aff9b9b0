#!/usr/bin/env python3
"""Runs the programs beside this file until they crash, and writes what they said as events.

    recapture.py OUTPUT.jsonl [shop|clinic]

`shop` is what grouping was worked on with; `clinic` has other shapes and was written to see how it does on
programs that nobody had looked at. Each program exists twice: as it is (release A), and after ordinary edits (release B): lines inserted,
a helper renamed, another caller in between, one message reworded. Every bug is triggered with several
inputs in each. A line of the output has language, bug, release and the event as the SDK of that language
would send it. Needs python3, node, a JDK, go, rustc, gcc and gdb.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

ALL = os.path.dirname(os.path.abspath(__file__))
NAME = sys.argv[2] if len(sys.argv) > 2 else "shop"
HERE = ALL if NAME == "shop" else os.path.join(ALL, NAME)
INPUTS = {"A": [3, 8], "B": [4, 13]}
ROOTS = {"A": "/srv/app/releases/20260101", "B": "/srv/app/releases/20260322"}

# What the edits replace in each program, besides the lines that they insert.
SHOP_EDITS = {
    "shop.py": [
        ("log_and_raise", "raise_logged"),
        ("was paid already", "has been paid before"),
        ("    return PRICES[name]", "    return PRICES[name]  # by its name"),
        ("    return handle(bug, n)", "    return dispatch(bug, n)\n\n\ndef dispatch(bug, n):\n    return handle(bug, n)"),
    ],
    "shop.js": [
        ("fail(", "giveUp("),
        ("was paid already", "has been paid before"),
        ("module.exports.run = (bug, n) => handle(bug, n);",
         "async function dispatch(bug, n) {\n  return await handle(bug, n);\n}\n\nmodule.exports.run = (bug, n) => dispatch(bug, n);"),
    ],
    "shop.c": [
        ("die(", "give_up("),
        ("paid already", "paid before"),
        ("int main(", "__attribute__((noinline)) static void dispatch(const char *bug, int n) { handle(bug, n); }\n\nint main("),
        ("    handle(arguments[1], atoi", "    dispatch(arguments[1], atoi"),
    ],
    "shop.go": [
        ("must(", "checkError("),
        ("was paid already", "has been paid before"),
        ("	handle(os.Args[1], n)\n}", "	dispatch(os.Args[1], n)\n}\n\nfunc dispatch(bug string, n int) { handle(bug, n) }"),
    ],
    "shop.rs": [
        ("fail(", "give_up("),
        ("was paid already", "has been paid before"),
        ("    handle(&arguments[1], arguments", "    dispatch(&arguments[1], arguments"),
        ("fn main() {", "#[inline(never)]\nfn dispatch(bug: &str, n: i32) {\n    handle(bug, n);\n}\n\nfn main() {"),
    ],
    "java/com/acme/shop/Shop.java": [
        ("logAndThrow", "raiseLogged"),
        ("was paid already", "has been paid before"),
        ("            handle(arguments[0]", "            dispatch(arguments[0]"),
        ("    public static void main", "    static void dispatch(String bug, int n) {\n        handle(bug, n);\n    }\n\n    public static void main"),
    ],
}


CLINIC_EDITS = {
    "clinic.py": [
        ("fail_with", "stop_with"),
        ("is already in another ward", "was admitted to another ward"),
        ("        return method(*node[1:])", "        parts = node[1:]\n        return method(*parts)"),
        ("    return work()", "    return retried(work)\n\n\ndef retried(work):\n    for _ in range(1):\n        return work()"),
    ],
    "clinic.js": [
        ("reject(", "refuseWith("), ("const reject =", "const refuseWith ="),
        ("is already in another ward", "was admitted to another ward"),
        ("  return doctor.phone.number;", "  const { phone } = doctor;\n  return phone.number;"),
        ("  return await work();", "  return await retried(work);"),
        ("module.exports.run", "const retried = async (work) => await work();\n\nmodule.exports.run"),
    ],
    "clinic.c": [
        ("fatal(", "stop_clinic("),
        ("int call_next(struct queue *queue) { int key = pop(queue);", "int call_next(struct queue *queue) { int key = none + pop(queue);"),
        ("    handle(arguments[1], atoi", "    dispatch(arguments[1], atoi"),
        ("int main(", "HOT void dispatch(const char *bug, int n) { handle(bug, n); }\n\nint main("),
    ],
    "clinic.go": [
        ("bailOut(", "failWith("),
        ("is in another ward", "was admitted to another ward"),
        ("	handle(os.Args[1], n)\n}", "	retry(func() { handle(os.Args[1], n) })\n}\n\nfunc retry(work func()) { work() }"),
    ],
    "clinic.rs": [
        ("stop_here(", "fail_with("),
        ("patient was not moved", "patient could not be moved"),
        ("    handle(&arguments[1], arguments[2].parse().unwrap_or(0));", "    let n = arguments[2].parse().unwrap_or(0);\n    retry(|| handle(&arguments[1], n));"),
        ("fn main() {", "#[inline(never)]\nfn retry(work: impl Fn()) {\n    work();\n}\n\nfn main() {"),
    ],
    "java/com/acme/clinic/Clinic.java": [
        ("reject(", "fail("), ("verifyBeds", "assertBeds"),
        ("is already in another ward", "was admitted to another ward"),
        ("            handle(arguments[0], Integer.parseInt(arguments[1]));", "            retry(() -> handle(arguments[0], Integer.parseInt(arguments[1])));"),
        ("    public static void main", "    static void retry(Runnable work) {\n        work.run();\n    }\n\n    public static void main"),
    ],
}
EDITS = {"shop": SHOP_EDITS, "clinic": CLINIC_EDITS}[NAME]


def edited(name, release):
    text = open(os.path.join(HERE, name), encoding="utf-8").read()
    if release == "B":
        for old, new in EDITS[name]:
            assert old in text, (name, old)
            text = text.replace(old, new)
        mark = "#" if name.endswith(".py") else "//"
        lines = "".join(f"{mark} an inserted line\n" for _ in range(9))
        text = re.sub(r"(?m)^.*EDIT-CALLEES.*\n", lines.replace("\\", ""), text)
    return text


def bugs(name):
    text = open(os.path.join(HERE, name), encoding="utf-8").read()
    handle = text[text.index("EDIT-CALLER\n" if "EDIT-CALLER\n" in text else "EDIT-CALLER"):]
    return sorted(set(re.findall(r"[\"']([a-z]+-[a-z]+(?:-[a-z]+)?)[\"']", handle)))


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def event(platform, values, release):
    return {
        "platform": platform,
        "release": f"{NAME}@{release}",
        "exception": {"values": values},
    }


PYTHON = """
import json, linecache, sys, traceback
sys.path.insert(0, sys.argv[1])
import NAME as program
def frames(tb):
    while tb:
        f, name = tb.tb_frame, tb.tb_frame.f_code
        path = name.co_filename
        if path != '<string>':
            own = path.startswith(sys.argv[1])
            yield {"module": f.f_globals.get("__name__"), "filename": path.rsplit("/", 1)[1], "abs_path": path,
                   "function": getattr(name, "co_qualname", name.co_name), "lineno": tb.tb_lineno, "in_app": own,
                   "context_line": linecache.getline(path, tb.tb_lineno).rstrip()}
        tb = tb.tb_next
try:
    program.run(sys.argv[2], int(sys.argv[3]))
except Exception as error:
    values = []
    while error is not None:
        values.append({"type": type(error).__name__, "module": type(error).__module__, "value": str(error),
                       "stacktrace": {"frames": list(frames(error.__traceback__))[-100:]}})
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    print(json.dumps(values[::-1]))
"""


def python(folder, release, bug, n):
    said = run(sys.executable, "-c", PYTHON.replace("NAME", NAME), folder, bug, str(n))
    values = json.loads(said.stdout)
    return event("python", values, release)


NODE = """
const { run } = require(process.argv[2]);
const told = [];
Promise.resolve().then(() => run(process.argv[3], Number(process.argv[4]))).catch((error) => {
  for (let e = error; e; e = e.cause) told.push({ type: e.name, value: e.message, stack: e.stack });
  console.log(JSON.stringify(told));
});
"""


def node(folder, release, bug, n):
    script = os.path.join(folder, "capture.js")
    with open(script, "w", encoding="utf-8") as file:
        file.write(NODE)
    lines = open(os.path.join(folder, f"{NAME}.js"), encoding="utf-8").read().split("\n")
    values = []
    for told in json.loads(run("node", "--stack-trace-limit=50", script, os.path.join(folder, f"{NAME}.js"), bug, str(n)).stdout):
        frames = []
        for line in told["stack"].split("\n"):
            match = re.match(r"\s+at (?:(.*) \()?(.*?)(?::(\d+):(\d+))?\)?$", line)
            if not match or "capture.js" in line:
                continue
            function, path, lineno, column = match.groups()
            own = path.startswith(folder)
            frame = {"function": function or "?", "filename": path, "module": os.path.basename(path).split(".")[0],
                     "in_app": own}
            if lineno:
                frame.update(lineno=int(lineno), colno=int(column))
            if own:
                frame["context_line"] = lines[int(lineno) - 1]
            frames.append(frame)
        values.append({"type": told["type"], "value": told["value"], "stacktrace": {"frames": frames[::-1]}})
    return event("node", values[::-1], release)


def java(folder, release, bug, n):
    said = run("java", "-Xss512k", "-cp", folder, f"com.acme.{NAME}.{NAME.title()}", bug, str(n)).stdout
    values = []
    for line in said.split("\n"):
        parts = line.split("\t")
        if parts[0] == "T":
            module, _, kind = parts[1].rpartition(".")
            value = {"type": kind, "module": module, "value": None if parts[2] == "null" else parts[2]}
            values.append(dict(value, stacktrace={"frames": []}))
        elif parts[0] == "F":
            frame = {"module": parts[1], "function": parts[2], "filename": parts[3], "lineno": int(parts[4])}
            if parts[1].startswith("com.acme"):
                frame["in_app"] = True
            values[-1]["stacktrace"]["frames"].insert(0, frame)
    return event("java", values[::-1], release)


def go(folder, release, bug, n):
    said = run(os.path.join(folder, f"{NAME}-go"), bug, str(n)).stderr
    first = re.search(r"(?m)^panic: (.*?)(?: \[recovered\])?$", said).group(1)
    kind = "runtime.Error" if first.startswith(("runtime error", "interface conversion", "assignment to", "send on")) else None
    typed = re.match(r"(\*?[a-zA-Z.]+)\((.*)\)$|(?:&)?(\w+\.\w+){", first)
    if kind is None:
        kind = "*errors.errorString" if typed is None else typed.group(1) or f"*{typed.group(3)}"
    frames = []
    stack = said[said.index("goroutine "):].split("\n")[1:]
    for name, place in zip(stack, stack[1:]):
        match = re.match(r"\t(.*):(\d+)", place)
        if match and not name.startswith(("\t", "panic(")):
            name = re.sub(r"\([^()]*\)$", "", name)
            package, _, function = name.partition(".")
            if "/" in name:
                head, _, tail = name.rpartition("/")
                package, _, function = f"{head}/{tail}".partition(".") if "." not in head else (head, "", tail)
            own = match.group(1).startswith(folder)
            frames.insert(0, {"module": package, "function": function, "abs_path": match.group(1),
                              "lineno": int(match.group(2)), "in_app": own})
    value = re.sub(r"^\S+\(\"?(.*?)\"?\)$", r"\1", first)
    return event("go", [{"type": kind, "value": value, "stacktrace": {"frames": frames}}], release)


def rust(folder, release, bug, n):
    environment = dict(os.environ, RUST_BACKTRACE="full")
    said = run(os.path.join(folder, f"{NAME}-rs"), bug, str(n), env=environment).stderr
    value = re.search(r"panicked at [^\n]*:\n(.*?)\nstack backtrace", said, re.S).group(1)
    frames = []
    for match in re.finditer(r"\n +\d+: +(0x[0-9a-f]+) - (.*?)(?:\n +at (.*?):(\d+)(?::\d+)?)?(?=\n)", said):
        address, function, path, line = match.groups()
        frame = {"function": function, "instruction_addr": address, "in_app": bool(path) and path.startswith(folder)}
        if path:
            frame.update(abs_path=path, filename=os.path.basename(path), lineno=int(line))
        frames.insert(0, frame)
    return event("rust", [{"type": "panic", "value": value, "stacktrace": {"frames": frames}}], release)


def c(folder, release, bug, n):
    said = run("gdb", "-batch", "-ex", "set debuginfod enabled off", "-ex", "run", "-ex", "bt 60", "--args",
               os.path.join(folder, f"{NAME}-c"), bug, str(n)).stdout
    signal = re.search(r"received signal (SIG\w+)", said).group(1)
    frames = []
    for match in re.finditer(r"(?m)^#\d+ +(?:(0x[0-9a-f]+) in )?(.+?) \(.*?\)(?: at (.*?):(\d+)| from (\S+))?$", said):
        address, function, path, line, image = match.groups()
        frame = {"function": function, "instruction_addr": address or "0x1000",
                 "package": image or os.path.join(folder, f"{NAME}-c") if path and NAME in path else image or "/lib/x86_64-linux-gnu/libc.so.6"}
        if path and os.path.basename(path) == f"{NAME}.c":
            frame.update(abs_path=path, filename=f"{NAME}.c", lineno=int(line))
        frames.insert(0, frame)
    value = {"type": signal, "value": {"SIGSEGV": "Segfault", "SIGABRT": "Abort"}.get(signal, signal)}
    mechanism = {"type": "signalhandler", "synthetic": True, "handled": False, "meta": {"signal": {"name": signal}}}
    return event("native", [dict(value, mechanism=mechanism, stacktrace={"frames": frames})], release)


def built(work, release):
    """A folder with all programs of one release."""
    folder = os.path.join(work, release)
    os.makedirs(folder)
    for name in EDITS:
        target = os.path.join(folder, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="utf-8") as file:
            file.write(edited(name, release))
    here = {"cwd": folder, "check": True}
    subprocess.run(["gcc", "-g", "-O1", "-fno-omit-frame-pointer", "-w", "-o", f"{NAME}-c", os.path.join(folder, f"{NAME}.c"), "-lpthread"], **here)
    subprocess.run(["rustc", "-g", "-Cdebug-assertions=on", "-Awarnings", "--edition=2021", "-o", f"{NAME}-rs", os.path.join(folder, f"{NAME}.rs")], **here)
    subprocess.run(["go", "build", "-gcflags=-l", "-o", f"{NAME}-go", f"{NAME}.go"], env=dict(os.environ, GO111MODULE="off"), **here)
    sources = [f"java/com/acme/{NAME}/{NAME.title()}.java", os.path.join(ALL, "java/testkit/Assert.java")]
    subprocess.run(["javac", "-g", "-d", ".", *sources], **here)
    return folder


# One bug, seen on two ways to it.
SAME = {("c", "mean-thread"): "mean-zero", ("c", "bed-shift"): "bed-zero"}

LANGUAGES = {
    "python": (f"{NAME}.py", python), "node": (f"{NAME}.js", node),
    "java": (f"java/com/acme/{NAME}/{NAME.title()}.java", java),
    "go": (f"{NAME}.go", go), "rust": (f"{NAME}.rs", rust), "c": (f"{NAME}.c", c),
}


def main():
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for release, inputs in INPUTS.items():
            folder = built(work, release)
            for language, (name, capture) in LANGUAGES.items():
                for bug in bugs(name):
                    for n in inputs:
                        text = json.dumps(capture(folder, release, bug, n)).replace(folder, ROOTS[release])
                        rows.append({"language": language, "bug": SAME.get((language, bug), bug), "release": release, "event": json.loads(text)})
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()

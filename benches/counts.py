#!/usr/bin/env python3
"""Counts instructions, atomic read-modify-writes and allocations for each operation of cases of the runner.

    benches/counts.py                                the cases of docs/performance.md
    benches/counts.py launch_join_st cancel_tree_st  these
    benches/counts.py chan_rdv_spsc_st/kanal         what does it with something else, by its whole name
    benches/counts.py --where launch_join_st         and where its atomic operations are
    benches/counts.py --runner PATH launch_join_st   of this runner, instead of building it

Needs x86-64, valgrind and objdump (for `--where` addr2line, too). A count is that of callgrind for three repetitions less that for
one, divided by the operations of two: what the start of the process costs is not in it, nor what is only done once.

malloc is any of malloc, calloc, realloc and their kin, so what grows has more of them than of free. Atomic operations are the
instructions with a lock prefix, and xchg with memory, in the program and in the libraries that it has loaded; fences are mfence.

Callgrind runs one thread at a time: what cases with several workers do depends on who comes when, so their counts move by some
per cent, and they have fewer collisions than in life.
"""

import argparse
import collections
import json
import os
import platform
import re
import subprocess
import sys
import tempfile

CASES = [
    "launch_join_st",
    "async_await_chain_st",
    "scope_nested_st",
    "cancel_tree_st",
    "yield_pingpong_st",
    "ctx_switch_io",
    "chan_rdv_spsc_st",
    "chan_buf64_spsc_st",
    "chan_unlim_spsc_st",
    "chan_confl_spsc_st",
    "select2_rdv_st",
    "select8_rdv_st",
    "select2_buf64_st",
    "select8_buf64_st",
    "actor_pingpong_st",
    "ring_100_st",
    "mutex_uncontended_st",
    "mutex_8_st",
    "mutex_8_yield_st",
    "sem1_16_st",
    "sem1_16_yield_st",
    "sem4_16_st",
    "sem4_16_yield_st",
    "flow_range_sum",
    "flow_builder_chain",
    "flow_take",
    "flow_flatmap_concat",
    "flow_flatmap_merge16_st",
    "flow_zip_st",
    "flow_combine_st",
    "flow_buffer64_st",
    "flow_on_buffer64_st",
    "flow_conflate_st",
    "flow_debounce_st",
    "stateflow1_st",
    "stateflow8_st",
    "sharedflow8_st",
]
FEW, MANY = 1, 3
HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", default=CASES, help="case, or case/variant")
    parser.add_argument("--runner", help="a built corox-bench")
    parser.add_argument("--where", action="store_true", help="list the places of atomic operations")
    arguments = parser.parse_args()
    if platform.machine() != "x86_64":
        sys.exit("what is atomic is known for x86-64 only")
    runner = arguments.runner or build()
    keys = wanted(runner, arguments.cases)
    width = max(len(key) for key in keys)
    print(f"{'':{width}} {'instructions':>13} {'atomic':>8} {'fences':>7} {'malloc':>7} {'free':>7}")
    for key in keys:
        few, operations = profile(runner, key, FEW)
        many, _ = profile(runner, key, MANY)
        each = Counts.of(many).less(Counts.of(few)).over(operations * (MANY - FEW))
        print(
            f"{key:{width}} {each.instructions:13.1f} {each.atomic:8.2f} {each.fences:7.2f}"
            f" {each.allocated:7.2f} {each.freed:7.2f}",
            flush=True,
        )
        if arguments.where:
            places(few, many, operations * (MANY - FEW))


def build():
    """Builds the runner, with line tables for `--where`, and gives its path."""
    command = ["cargo", "build", "--release", "-p", "corox-bench", "--bin", "corox-bench"]
    environment = dict(os.environ, CARGO_PROFILE_RELEASE_DEBUG="line-tables-only")
    messages = subprocess.run(
        [*command, "--message-format=json-render-diagnostics"],
        cwd=HERE,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    ).stdout
    for message in map(json.loads, messages.splitlines()):
        if message.get("executable") and message["target"]["name"] == "corox-bench":
            return message["executable"]
    sys.exit("cargo has built no corox-bench")


def wanted(runner, cases):
    """The keys of all variants of corox of the cases, and those of peers that are named."""
    lists = []
    for list_of in ("--list", "--list-peers"):
        listed = subprocess.run([runner, list_of], stdout=subprocess.PIPE, check=True, text=True)
        lists.append(listed.stdout.split())
    known, peers = lists
    keys = []
    for case in cases:
        found = [key for key in known if case in (key, key.split("/")[0])]
        found += [key for key in peers if case == key]
        if not found:
            sys.exit(f"no such case: {case}")
        keys += found
    return keys


class Profile:
    """What callgrind has seen: how often each instruction ran, and each function was called."""

    def __init__(self):
        # (file, address): times, and the function it belongs to.
        self.ran = collections.Counter()
        self.function = {}
        self.called = collections.Counter()


def profile(runner, key, repetitions):
    """A run of so many repetitions, and the operations that each has."""
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, "out")
        run = subprocess.run(
            [
                "valgrind",
                "--quiet",
                "--tool=callgrind",
                "--dump-instr=yes",
                "--compress-pos=no",
                "--compress-strings=no",
                f"--callgrind-out-file={out}",
                runner,
                key,
            ],
            env=dict(os.environ, BENCH_REPETITIONS=str(repetitions)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        operations = re.search(re.escape(key) + r": (\d+) operations", run.stderr)
        if run.returncode != 0 or not operations:
            sys.exit(f"{key} has failed under callgrind:\n{run.stderr}")
        # A thread that was started late may have a file of its own.
        seen = Profile()
        for name in os.listdir(scratch):
            with open(os.path.join(scratch, name), errors="replace") as lines:
                read(lines, seen)
        return seen, int(operations[1])


def read(lines, seen):
    """Adds a file of callgrind to `seen`. A cost line is `0xADDRESS LINE COST`."""
    file = function = callee = None
    inclusive = False
    for line in lines:
        if line.startswith("0x"):
            if inclusive:
                # The cost of what was called.
                inclusive = False
                continue
            address, _, cost = line.split()
            place = (file, int(address, 16))
            seen.ran[place] += int(cost)
            seen.function.setdefault(place, function)
        elif line.startswith("ob="):
            file = line[3:].strip()
        elif line.startswith("fn="):
            function = line[3:].strip()
        elif line.startswith("cfn="):
            callee = line[4:].strip()
        elif line.startswith("calls="):
            seen.called[callee] += int(line[6:].split()[0])
            inclusive = True


ATOMIC, FENCE = "atomic", "fence"
KINDS = {}


def kinds(file):
    """What the atomic instructions and fences of a file are, by address."""
    if file in KINDS:
        return KINDS[file]
    found = {}
    if file and os.path.exists(file):
        text = subprocess.run(
            ["objdump", "-d", "--no-show-raw-insn", file],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ).stdout
        for match in re.finditer(
            r"^ *([0-9a-f]+):\t(?:(lock )|(xchg +[^\n]*\()|(mfence))", text, re.MULTILINE
        ):
            found[int(match[1], 16)] = FENCE if match[4] else ATOMIC
    KINDS[file] = found
    return found


ALLOCATE = {"malloc", "calloc", "realloc", "memalign", "aligned_alloc", "posix_memalign"}


class Counts:
    def __init__(self, *counts):
        self.instructions, self.atomic, self.fences, self.allocated, self.freed = counts

    @staticmethod
    def of(seen):
        by_kind = collections.Counter()
        for (file, address), times in seen.ran.items():
            by_kind[kinds(file).get(address)] += times
        allocated = sum(n for name, n in seen.called.items() if name in ALLOCATE)
        return Counts(
            sum(by_kind.values()), by_kind[ATOMIC], by_kind[FENCE], allocated, seen.called["free"]
        )

    def all(self):
        return (self.instructions, self.atomic, self.fences, self.allocated, self.freed)

    def less(self, other):
        return Counts(*(a - b for a, b in zip(self.all(), other.all())))

    def over(self, operations):
        return Counts(*(count / operations for count in self.all()))


def places(few, many, operations):
    """Prints where the atomic operations are, with the functions that were put in line there."""
    rows = []
    for (file, address), times in many.ran.items():
        if kinds(file).get(address):
            each = (times - few.ran[file, address]) / operations
            if each >= 0.01:
                rows.append((each, file, address))
    for each, file, address in sorted(rows, reverse=True):
        frames = list(inlined(file, address))
        if not frames:
            frames = [f"{os.path.basename(file)}  {many.function[file, address]}"]
        print(f"  {each:6.2f}  " + "\n            in ".join(frames))


def inlined(file, address):
    """Place and function, from the innermost of those that were put in line outwards."""
    lines = subprocess.run(
        ["addr2line", "-i", "-f", "-C", "-e", file, hex(address)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ).stdout.splitlines()
    for function, place in zip(lines[::2], lines[1::2]):
        # Not what the standard library puts in between.
        if not place.startswith(("?", "/rustc/")):
            yield f"{short(place)}  {plain(function)}"


def short(place):
    """A path from where its crate begins."""
    return re.sub(r"^.*/registry/src/[^/]*/", "", place).replace(os.path.dirname(HERE) + "/", "")


def plain(function):
    """The name of a function without the arguments for its generics."""
    return function if function.startswith("<") else function.split("<")[0]


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Seconds and memory of mcvd and of the PyTorch twin, on the same machine in alternating rounds.

    compare.py --mcvd build/mcvd --rounds 5 configs/bair_big.json:forward:1 ...:train:2

Run it by a Python that has PyTorch. Every measurement is a process of its own. One during which
other programs took more than --busy cores is thrown away and repeated; what no repetition got
quiet is marked.
"""
import argparse
import json
import os
import pathlib
import resource
import signal
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
OURS = "mcvd"
TITLES = {OURS: "mcvd", "nchw": "PyTorch", "nhwc": "PyTorch, channels last",
          "traced": "PyTorch, traced and frozen"}


def cpu_seconds(columns):
    """Of all programs since the machine started, but idle ones; niced ones are the third column."""
    with open("/proc/stat", encoding="ascii") as file:
        ticks = [int(t) for t in file.readline().split()[1:9]]
    return sum(ticks[c] for c in columns) / os.sysconf("SC_CLK_TCK")


ALL = (0, 1, 2, 5, 6, 7)
NOT_NICED = (0, 2, 5, 6, 7)


def child_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Pause:
    """Stops a program in the background while something is measured."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        if self.pid:
            os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *_):
        if self.pid:
            os.kill(self.pid, signal.SIGCONT)


def wait_until_quiet(args, deadline):
    while True:
        start, busy = time.monotonic(), cpu_seconds(NOT_NICED)
        time.sleep(0.4)
        if (cpu_seconds(NOT_NICED) - busy) / (time.monotonic() - start) <= args.busy:
            return
        if time.monotonic() > deadline:
            return
        time.sleep(1.0)


def command(args, case, side):
    config, mode, batch = case
    common = ["--config", config, "--mode", mode, "--batch", batch, "--runs", str(args.runs),
              "--warmup", str(args.warmup), "--threads", str(args.threads)]
    if side == OURS:
        return [args.mcvd, "bench", "--json", *common]
    return [sys.executable, str(HERE / "bench.py"), "--variant", side, *common]


def measure_once(args, case, side):
    env = dict(os.environ, OMP_NUM_THREADS=str(args.threads), PYTHONDONTWRITEBYTECODE="1")
    with Pause(args.pause):
        start, busy, own = time.monotonic(), cpu_seconds(ALL), child_seconds()
        done = subprocess.run(command(args, case, side), env=env, check=True, text=True,
                              stdout=subprocess.PIPE)
        others = (cpu_seconds(ALL) - busy) - (child_seconds() - own)
        others /= time.monotonic() - start
    result = json.loads(done.stdout)
    result.update(case=":".join(case), side=side, others=round(others, 3))
    return result


def measure(args, case, side):
    """The quietest of several attempts, or the first one that is quiet enough."""
    best = None
    deadline = time.monotonic() + args.patience
    while best is None or (best["others"] > args.busy and time.monotonic() < deadline):
        wait_until_quiet(args, deadline)
        result = measure_once(args, case, side)
        if best is None or result["others"] < best["others"]:
            best = result
    if args.log:
        with open(args.log, "a", encoding="ascii") as file:
            file.write(json.dumps(best) + "\n")
    print(f"{best['case']} {side}: {best['ms']:.1f} ms, others {best['others']:.2f}",
          file=sys.stderr)
    return best


def spread(values, digits):
    return (f"{statistics.median(values):.{digits}f} "
            f"({min(values):.{digits}f}..{max(values):.{digits}f})")


def table(case, rounds, busy):
    """rounds: one dictionary {side: result} for each round."""
    config, mode, batch = case
    print(f"\n{pathlib.Path(config).stem}, {mode}, batch {batch}\n")
    print("| | ms: median (min..max) of the rounds | best run, ms | times ours | peak MB |")
    print("|---|---|---|---|---|")
    for side in rounds[0]:
        results = [r[side] for r in rounds]
        ratios = spread([r[side]["ms"] / r[OURS]["ms"] for r in rounds], 2)
        noisy = sum(r["others"] > busy for r in results)
        print(f"| {TITLES[side]}{f' ({noisy} noisy rounds)' if noisy else ''} "
              f"| {spread([r['ms'] for r in results], 1)} "
              f"| {min(r['ms_min'] for r in results):.1f} | {ratios} "
              f"| {statistics.median(r['rss_mb'] for r in results):.0f} |")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="+", metavar="CONFIG:MODE:BATCH")
    parser.add_argument("--mcvd", default="mcvd", help="the program; default: the one on PATH")
    parser.add_argument("--variants", default="nchw,nhwc", help="of bench.py; default: nchw,nhwc")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=5, help="timed runs in a round")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--busy", type=float, default=0.1, help="cores that others may use")
    parser.add_argument("--patience", type=float, default=60, help="seconds per measurement")
    parser.add_argument("--pause", type=int, default=0, metavar="PID",
                        help="a program of yours that stops while something is measured")
    parser.add_argument("--log", help="file to append every measurement to, one JSON line each")
    return parser.parse_args()


def main():
    args = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    for text in args.cases:
        case = text.rsplit(":", 2)
        sides = [OURS] + [v for v in args.variants.split(",")
                          if not (v == "traced" and case[1] == "train")]
        rounds = []
        for _ in range(args.rounds):
            rounds.append({side: measure(args, case, side) for side in sides})
        table(case, rounds, args.busy)
    last = rounds[-1]
    version = subprocess.run([args.mcvd, "--version"], text=True, stdout=subprocess.PIPE,
                             check=True).stdout.splitlines()[0]
    print(f"\n{version}, oneDNN {last[OURS]['onednn_version']} ({last[OURS]['onednn_isa']}); "
          f"PyTorch {last[sides[-1]]['torch']}; {args.threads} threads; {last[OURS]['cpu']}. "
          f"PyTorch without a network: {last[sides[-1]]['rss_import_mb']:.0f} MB.")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failed:
        sys.exit(f"compare.py: exit status {failed.returncode} of {' '.join(failed.cmd)}")

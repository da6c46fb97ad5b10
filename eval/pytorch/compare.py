#!/usr/bin/env python3
"""Seconds and memory of mcvd and of the PyTorch twin, on the same machine in alternating rounds.

    compare.py --mcvd build/mcvd --rounds 5 configs/bair_big.json:forward:1 ...:train:2

Run it by a Python that has PyTorch. Every measurement is a process of its own. One during which
other programs took more than --busy cores is repeated, and what no repetition got quiet is marked.
On a machine that does other things, start it as root under `chrt --fifo 10`.
"""
import argparse
import contextlib
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
          "tuned": "PyTorch, channels last, malloc that keeps memory",
          "traced": "PyTorch, traced and frozen"}
# glibc: freed memory stays with the program instead of being mapped anew by every call.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "1073741824"}


def cpu_seconds():
    """Of all programs since the machine started."""
    with open("/proc/stat", encoding="ascii") as file:
        user, niced, system, _, _, irq, soft_irq, steal = map(int, file.readline().split()[1:9])
    return (user + niced + system + irq + soft_irq + steal) / os.sysconf("SC_CLK_TCK")


def child_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


@contextlib.contextmanager
def paused(pid):
    """Stops a program in the background (0: none) while something is measured."""
    if not pid:
        yield
        return
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def command(args, case, side):
    config, mode, batch = case
    common = ["--config", config, "--mode", mode, "--batch", batch, "--runs", str(args.runs),
              "--warmup", str(args.warmup), "--threads", str(args.threads)]
    if side == OURS:
        return [args.mcvd, "bench", "--json", *common]
    variant = "nhwc" if side == "tuned" else side
    return [sys.executable, str(HERE / "bench.py"), "--variant", variant, *common]


def measure_once(args, case, side):
    env = dict(os.environ, OMP_NUM_THREADS=str(args.threads), PYTHONDONTWRITEBYTECODE="1")
    if side == "tuned":
        env.update(KEEP_MEMORY)
    time.sleep(args.rest)
    with paused(args.pause):
        start, busy, own = time.monotonic(), cpu_seconds(), child_seconds()
        done = subprocess.run(command(args, case, side), env=env, check=True, text=True,
                              stdout=subprocess.PIPE)
        others = (cpu_seconds() - busy) - (child_seconds() - own)
        others /= time.monotonic() - start
    result = json.loads(done.stdout)
    result.update(case=":".join(case), side=side, others=round(others, 3))
    return result


def measure(args, case, side):
    """The quietest of several attempts, or the first one that is quiet enough."""
    best = measure_once(args, case, side)
    for _ in range(args.attempts - 1):
        if best["others"] <= args.busy:
            break
        best = min(best, measure_once(args, case, side), key=lambda r: r["others"])
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
    parser.add_argument("--variants", default="nchw,nhwc,tuned", help="nchw,nhwc,tuned,traced")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=5, help="timed runs in a round")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--busy", type=float, default=0.1, help="cores that others may use")
    parser.add_argument("--rest", type=float, default=0, help="seconds before a measurement")
    parser.add_argument("--attempts", type=int, default=5, help="until a measurement is quiet")
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

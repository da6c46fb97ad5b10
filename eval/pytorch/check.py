#!/usr/bin/env python3
"""Compares the PyTorch twin with the golden cases: outputs, layers, gradients, checkpoints.

    check.py DIR ...      every golden case below DIR; exit status 77 where PyTorch is missing
"""
import argparse
import copy
import json
import math
import pathlib
import struct
import sys

try:
    import torch
except ImportError as error:
    print(f"skipped: {sys.executable} has no PyTorch ({error})")
    sys.exit(77)

from unet import Mcvd, read_json


def read_safetensors(path):
    types = {"F32": torch.float32, "I32": torch.int32, "I64": torch.int64}
    data = bytearray(pathlib.Path(path).read_bytes())
    start = 8 + struct.unpack_from("<Q", data)[0]
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            tensors[name] = torch.frombuffer(data[start + first:start + last],
                                             dtype=types[entry["dtype"]]).view(entry["shape"])
    return tensors


class Report:
    def __init__(self):
        self.worst, self.count, self.failures = 0.0, 0, []

    def add(self, name, error, limit):
        self.count += 1
        self.worst = max(self.worst, error / limit)
        if not error <= limit:
            self.failures.append(f"{name}: {error:.3g}, allowed {limit:.3g}")

    def tensor(self, name, ours, golden, relative=1e-5, absolute=1e-5):
        """|ours - golden| against a limit that grows with the largest golden value above 1."""
        limit = max(absolute, relative * golden.abs().max().item())
        if ours.shape != golden.shape:
            self.failures.append(f"{name}: shape {list(ours.shape)}, not {list(golden.shape)}")
        else:
            self.add(name, (ours - golden).abs().max().item(), limit)


def check_layers(net, io, folder, report):
    """The output of every numbered layer, first sample."""
    golden = read_safetensors(folder / "stages.safetensors")
    seen = {}
    hooks = [layer.register_forward_hook(lambda _, __, out, i=i: seen.update({i: out.detach()}))
             for i, layer in enumerate(net.unet.all_modules)]
    net(io["x"], io["labels"], io["cond"], io.get("cond_mask"), io.get("cond_noise"))
    for hook in hooks:
        hook.remove()
    for i, out in seen.items():
        name = f"all_modules.{i}"
        shape = golden[name].shape
        report.tensor(name, out[:1].reshape(shape) if out[:1].numel() == math.prod(shape) else out,
                      golden[name])


def check_gradients(net, io, folder, report):
    golden = read_safetensors(folder / "grads.safetensors")
    x, cond = (io[name].clone().requires_grad_() for name in ("x", "cond"))
    (net(x, io["labels"], cond, io.get("cond_mask")) * io["grad_seed"]).mean().backward()
    ours = {name: p.grad for name, p in net.named_parameters()}
    ours.update({"input.x": x.grad, "input.cond": cond.grad})
    difference = sum((ours[name] - golden[name]).double().square().sum() for name in golden)
    size = sum(g.double().square().sum() for g in golden.values())
    report.add("gradient, root mean square", math.sqrt(difference / size), 2e-5)
    for name, g in golden.items():
        report.add("gradient of " + name, (ours[name] - g).abs().max().item(),
                   1e-6 + 1e-4 * g.abs().max().item())


def check_checkpoint(config, folder, report):
    """The reference's own file holds the same numbers as the .safetensors files beside it."""
    checkpoint = torch.load(folder / "checkpoint.pt", map_location="cpu")
    pairs = [(checkpoint[0], "weights_model")]
    if config["model"].get("ema"):
        pairs.append((checkpoint[-1], "weights_ema"))
    for state, name in pairs:
        for key, golden in read_safetensors(folder / f"{name}.safetensors").items():
            found = state.get("module." + key, state.get(key))
            report.add(f"checkpoint.pt {key}", (found - golden).abs().max().item(), 1e-30)
        Mcvd(config).load(state)


def check(folder):
    config = read_json(folder / "config.json")
    io = read_safetensors(folder / "io.safetensors")
    report = Report()
    net = Mcvd(config).eval()
    model = copy.deepcopy(net)
    model.load(read_safetensors(folder / "weights_model.safetensors"))
    ema = folder / "weights_ema.safetensors"
    net.load(read_safetensors(ema if ema.exists() else folder / "weights_model.safetensors"))
    if ema.exists():
        net.alphas.copy_(model.alphas)
    cond, mask, noise = io["cond"], io.get("cond_mask"), io.get("cond_noise")
    with torch.no_grad():
        report.tensor("out", net(io["x"], io["labels"], cond, mask, noise), io["out"])
        if "out_model" in io:
            report.tensor("out_model", model(io["x"], io["labels"], cond, mask, noise),
                          io["out_model"])
        if "out_frac" in io:
            report.tensor("out_frac", net(io["x"], io["labels_frac"], cond), io["out_frac"])
        if "out_default_mask" in io:
            report.tensor("out_default_mask", net(io["x"], io["labels"], cond),
                          io["out_default_mask"])
        check_layers(net, io, folder, report)
    if (folder / "grads.safetensors").exists():
        check_gradients(net, io, folder, report)
    if (folder / "checkpoint.pt").exists():
        check_checkpoint(config, folder, report)
    print(f"{folder.name}: {report.count} comparisons, worst {report.worst:.2f} of its limit")
    for line in report.failures:
        print("  FAILED", line)
    return not report.failures


def main():
    parser = argparse.ArgumentParser(description="Compares unet.py with the golden cases.")
    parser.add_argument("dirs", metavar="DIR", nargs="+", type=pathlib.Path)
    folders = sorted({f.parent for d in parser.parse_args().dirs for f in d.rglob("io.safetensors")
                      if (f.parent / "stages.safetensors").exists()})
    if not folders:
        sys.exit("no golden case there")
    sys.exit(0 if all([check(folder) for folder in folders]) else 1)


if __name__ == "__main__":
    main()

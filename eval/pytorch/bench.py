#!/usr/bin/env python3
"""Times the PyTorch twin in this process, as `mcvd bench` times our network: one JSON object.

    bench.py --config configs/bair_big.json --mode forward --batch 1 --variant nhwc --threads 2

Variants: nchw and nhwc (the "channels last" memory format), each run eagerly; traced: nhwc, traced,
frozen and optimised for inference (forward only).
"""
import argparse
import copy
import json
import resource
import statistics
import time

import torch

from unet import Mcvd, read_json


def peak_rss_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024e-6


def random_frames(config, batch, frames, layout):
    d = config["data"]
    x = torch.rand(batch, frames * d["channels"], d["image_size"], d["image_size"]) * 2 - 1
    return x.contiguous(memory_format=layout)


def make_inputs(config, args, layout):
    d = config["data"]
    num_cond = d["num_frames_cond"] + d.get("num_frames_future", 0)
    x = random_frames(config, args.batch, d["num_frames"], layout)
    cond = random_frames(config, args.batch, num_cond, layout)
    last = config["model"]["num_classes"] - 1
    labels = last - last * torch.arange(1, args.batch + 1) // args.batch
    return x, labels, cond


def forward_call(net, config, args, layout):
    x, labels, cond = make_inputs(config, args, layout)
    net.eval()
    if args.variant == "traced":
        with torch.no_grad():
            net = torch.jit.optimize_for_inference(torch.jit.trace(net, (x, labels, cond)))

    def call():
        with torch.no_grad():
            net(x, labels, cond)

    return call


def train_call(net, config, args, layout):
    """The reference's step: noise, loss, backward, clipping by the global norm, Adam, average."""
    x0, _, cond = make_inputs(config, args, layout)
    optim, rate = config["optim"], config["model"]["ema_rate"]
    net.train()
    params = list(net.parameters())
    shadow = [p.detach().clone() for p in params]
    adam = torch.optim.Adam(params, lr=optim["lr"], betas=(optim["beta1"], 0.999),
                            eps=optim["eps"], weight_decay=optim["weight_decay"],
                            amsgrad=optim["amsgrad"], foreach=args.foreach)

    def call():
        adam.zero_grad(set_to_none=True)
        labels = torch.randint(len(net.alphas), (args.batch,))
        alpha = net.alphas[labels].view(-1, 1, 1, 1)
        z = torch.randn_like(x0)
        out = net(alpha.sqrt() * x0 + (1 - alpha).sqrt() * z, labels, cond)
        loss = 0.5 * (z - out).square().sum(dim=(1, 2, 3)).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(params, optim["grad_clip"])
        adam.step()
        with torch.no_grad():
            for s, p in zip(shadow, params):
                s.lerp_(p, 1 - rate)
        loss.item()

    return call


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("--mode", choices=["forward", "train"], default="forward")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--variant", choices=["nchw", "nhwc", "traced"], default="nchw")
    parser.add_argument("--foreach", action="store_true", help="Adam over lists of tensors")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    if args.mode == "train" and args.variant == "traced":
        parser.error("traced networks do not train")

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    rss_import = peak_rss_mb()
    config = read_json(args.config)
    layout = torch.contiguous_format if args.variant == "nchw" else torch.channels_last
    net = Mcvd(config).to(memory_format=layout)
    call = (forward_call if args.mode == "forward" else train_call)(net, config, args, layout)
    for _ in range(args.warmup):
        call()
    seconds = []
    for _ in range(args.runs):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({
        "ms": 1e3 * statistics.median(seconds), "ms_min": 1e3 * min(seconds),
        "rss_mb": peak_rss_mb(), "rss_import_mb": rss_import, "threads": torch.get_num_threads(),
        "params": sum(p.numel() for p in net.parameters()), "torch": torch.__version__}))


if __name__ == "__main__":
    main()

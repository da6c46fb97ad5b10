"""torch_weights.py MCVD: weights of I3D and AlexNet as PyTorch writes them, in every container."""
import collections
import json
import os
import struct
import subprocess
import sys
import tempfile

import torch

PROGRAM = sys.argv[1]
MIXED = {"3b": (192, 64, 96, 128, 16, 32, 32), "3c": (256, 128, 128, 192, 32, 96, 64),
         "4b": (480, 192, 96, 208, 16, 48, 64), "4c": (512, 160, 112, 224, 24, 64, 64),
         "4d": (512, 128, 128, 256, 24, 64, 64), "4e": (512, 112, 144, 288, 32, 64, 64),
         "4f": (528, 256, 160, 320, 32, 128, 128), "5b": (832, 256, 160, 320, 32, 128, 128),
         "5c": (832, 384, 192, 384, 48, 128, 128)}
ALEXNET = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}


def check(fine, what):
    if not fine:
        sys.exit("torch_weights.py: " + what)


class Unit(torch.nn.Module):
    def __init__(self, inputs, outputs, kernel, norm):
        super().__init__()
        self.conv3d = torch.nn.Conv3d(inputs, outputs, kernel, bias=not norm)
        self.bn = torch.nn.BatchNorm3d(outputs, eps=2e-3) if norm else torch.nn.Identity()

    def forward(self, x):
        return self.bn(self.conv3d(x))


class Branches(torch.nn.Module):
    def __init__(self, n, a, b, c, d, e, f):
        super().__init__()
        self.b0 = Unit(n, a, 1, True)
        self.b1a = Unit(n, b, 1, True)
        self.b1b = Unit(b, c, 3, True)
        self.b2a = Unit(n, d, 1, True)
        self.b2b = Unit(d, e, 3, True)
        self.b3b = Unit(n, f, 1, True)

    def forward(self, x):
        return x


class Net(torch.nn.Module):
    """Tensors of I3D; the forward pass is of no interest here."""

    def __init__(self, plain_names):
        super().__init__()
        units = {"logits": Unit(1024, 400, 1, False), "Conv3d_1a_7x7": Unit(3, 64, 7, True),
                 "Conv3d_2b_1x1": Unit(64, 64, 1, True), "Conv3d_2c_3x3": Unit(64, 192, 3, True)}
        units.update({"Mixed_" + name: Branches(*sizes) for name, sizes in MIXED.items()})
        self.sizes = [1, 2, 3]
        for i, (name, unit) in enumerate(units.items()):
            self.add_module(f"part{i}" if plain_names else name, unit)
        for tensor in self.buffers():
            if tensor.dtype == torch.float32:
                tensor.uniform_(0.5, 1.5)

    def forward(self, x):
        return x


def run(*args):
    done = subprocess.run([PROGRAM, "import", *args, "--force", "--json"], capture_output=True,
                          text=True)
    check(done.returncode == 0, f"mcvd import {' '.join(args)}: {done.stderr}")
    return json.loads(done.stdout)


def same(path, wanted):
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__")
    check(set(header) == set(wanted), f"{path}: other names")
    for name, t in header.items():
        begin, end = t["data_offsets"]
        raw = bytearray(data[8 + size + begin:8 + size + end])
        check(torch.equal(torch.frombuffer(raw, dtype=torch.float32).reshape(t["shape"]),
                          wanted[name]), f"{path}: {name} differs")


def i3d(folder):
    out = os.path.join(folder, "i3d.safetensors")
    path = os.path.join(folder, "i3d.pt")
    net = Net(False).eval()
    state = {k: v for k, v in net.state_dict().items() if v.dtype == torch.float32}

    torch.save(net.state_dict(), path, _use_new_zipfile_serialization=False)
    check(run("i3d", path, "-o", out)["container"] == "stream", "the stream's container")
    same(out, state)
    torch.save({"state_dict": {"module." + k: v.half() if v.is_floating_point() else v
                               for k, v in net.state_dict().items()}}, path)
    run("i3d", path, "-o", out)
    same(out, {k: v.half().float() for k, v in state.items()})
    torch.jit.script(net).save(path)
    done = run("i3d", path, "-o", out)
    check(done["container"] == "TorchScript archive" and done["matched_by"] == "names" and
          done["bn_eps"] == 0.002 and done["bn_eps_from"] == "code", f"scripted: {done}")
    same(out, state)
    other = Net(True).eval()
    other.load_state_dict(dict(zip(other.state_dict(), net.state_dict().values())))
    torch.jit.script(other).save(path)
    check(run("i3d", path, "-o", out)["matched_by"] == "order and shapes", "plain names")
    same(out, state)


def alexnet(folder):
    out, path, heads = (os.path.join(folder, n) for n in ("a.safetensors", "a.pth", "h.pth"))
    state = collections.OrderedDict()
    for n, (outputs, inputs, kernel) in ALEXNET.items():
        state[f"features.{n}.weight"] = torch.randn(outputs, inputs, kernel, kernel)
        state[f"features.{n}.bias"] = torch.randn(outputs)
    lines = collections.OrderedDict((f"lin{i}.model.1.weight", torch.rand(1, n, 1, 1))
                                    for i, n in enumerate((64, 192, 384, 256, 256)))
    parameters = collections.OrderedDict((k, torch.nn.Parameter(v)) for k, v in state.items())
    parameters["classifier.1.weight"] = torch.randn(5, 4)
    torch.save(lines, heads, _use_new_zipfile_serialization=False)
    for new in (False, True):
        torch.save(parameters, path, _use_new_zipfile_serialization=new)
        run("alexnet", path, "--heads", heads, "-o", out)
        same(out, {**state, **lines})


with tempfile.TemporaryDirectory() as temporary, torch.no_grad():
    torch.manual_seed(0)
    i3d(temporary)
    alexnet(temporary)
print("weights of PyTorch: all the same numbers")

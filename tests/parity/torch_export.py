"""torch_export.py MCVD SOURCE: checkpoints go to PyTorch and come back with the same numbers."""
import json
import os
import struct
import subprocess
import sys
import tempfile

import torch

try:
    import yaml
except ImportError:
    yaml = None

PROGRAM, SOURCE = sys.argv[1], os.path.abspath(sys.argv[2])
GOLDEN = os.path.join(SOURCE, "tests", "golden")
CASES = ["concat_rgb", "spade_rgb", "concat_gray", "full3d_gray", "pseudo3d_rgb",
         "spade_full3d_gray", "spade_pseudo3d_rgb", "concat_condemb", "concat_notime",
         "spade_noisecond_noema"]
BUFFERS = ["betas", "alphas", "alphas_prev", "k", "k_cum", "theta_t", "unet.sigmas"]
DTYPES = {"F32": torch.float32, "F16": torch.float16, "I64": torch.int64, "I32": torch.int32}
checks = 0


def check(fine, what):
    global checks
    checks += 1
    if not fine:
        sys.exit("torch_export.py: " + what)


def mcvd(*args, status=0):
    done = subprocess.run([PROGRAM, *args], capture_output=True, text=True)
    check(done.returncode == status,
          f"mcvd {' '.join(args)}: exit {done.returncode}, expected {status}: {done.stderr}")
    return done


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, t in header.items():
        begin, end = t["data_offsets"]
        raw = bytearray(data[8 + size + begin:8 + size + end])
        tensors[name] = torch.frombuffer(raw, dtype=DTYPES[t["dtype"]]).reshape(t["shape"])
    return tensors


def same_tensors(found, wanted, what):
    check(list(found) == list(wanted), f"{what}: other names or another order")
    for name in wanted:
        check(found[name].dtype == wanted[name].dtype and torch.equal(found[name], wanted[name]),
              f"{what}: {name} differs")


def unordered(tensors, names):
    return {name: tensors[name] for name in names}


def module_of(state):
    """A module with exactly these parameters and buffers, wrapped as the authors wrap theirs."""
    wrapper = torch.nn.Module()
    for name, tensor in state.items():
        at = wrapper
        *path, leaf = name.split(".")
        for part in path:
            if part not in dict(at.named_children()):
                at.add_module(part, torch.nn.Module())
            at = getattr(at, part)
        if name[len("module."):] in BUFFERS:
            at.register_buffer(leaf, torch.zeros_like(tensor))
        else:
            at.register_parameter(leaf, torch.nn.Parameter(torch.zeros_like(tensor)))
    return wrapper


def resume(states, what):
    """What the authors' programs do with the list before they train on."""
    model = module_of(states[0])
    model.load_state_dict(states[0], strict=True)
    for name, value in model.state_dict().items():
        check(torch.equal(value, states[0][name]), f"{what}: {name} after load_state_dict")
    optimizer = torch.optim.Adam(model.parameters(), lr=1.0)
    optimizer.load_state_dict(states[1])
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    for p in model.parameters():
        check(float(optimizer.state[p]["step"]) == states[3] + 1, f"{what}: step of the optimiser")
    return model, optimizer


def check_yaml(found, wanted, what):
    if yaml is None:
        return
    with open(found) as file:
        text = file.read()
    ours = yaml.safe_load(text)
    check(yaml.dump(ours, default_flow_style=False) == text, f"{what}: not as PyYAML writes it")
    with open(wanted) as file:
        theirs = yaml.safe_load(file)
    for section, keys in theirs.items():
        for key, value in keys.items():
            check(key in ours[section], f"{what}: {section}.{key} is missing")
            check(ours[section][key] == value and type(ours[section][key]) is type(value),
                  f"{what}: {section}.{key} is {ours[section][key]!r}, expected {value!r}")


def export_golden(name, folder):
    """Weights of the golden case, out and, through our model file, in and out again."""
    golden = torch.load(os.path.join(GOLDEN, name, "checkpoint.pt"))
    config = os.path.join(GOLDEN, name, "config.yml")
    out = os.path.join(folder, name)
    os.mkdir(out)
    file = os.path.join(out, "checkpoint.pt")
    mcvd("export", os.path.join(GOLDEN, name, "weights_model.safetensors"), "--config", config,
         "-o", file)
    states = torch.load(file)
    check(len(states) == len(golden), f"{name}: {len(states)} elements")
    same_tensors(states[0], golden[0], name + " model state")
    check(states[1]["state"] == {} and states[2:4] == [0, 0], f"{name}: not a fresh start")
    check(states[1]["param_groups"][0]["params"] == golden[1]["param_groups"][0]["params"],
          f"{name}: parameters of the optimiser")
    check(set(golden[1]["param_groups"][0]) == set(states[1]["param_groups"][0]),
          f"{name}: keys of the optimiser")
    check_yaml(os.path.join(out, "config.yml"), config, name + "/config.yml")
    resume(states, name)

    model = os.path.join(out, "model.safetensors")
    mcvd("import", os.path.join(GOLDEN, name, "checkpoint.pt"), "--config", config, "-o", model)
    mcvd("export", model, "-o", file, "--force")
    states = torch.load(file)
    weights = golden[4] if len(golden) > 4 else \
        {n[7:]: t for n, t in golden[0].items() if n[7:] not in BUFFERS}
    same_tensors({n[7:]: t for n, t in states[0].items() if n[7:] not in BUFFERS}, weights,
                 name + " weights that were imported")
    if len(golden) > 4:
        same_tensors(states[4], golden[4], name + " averages that were imported")
    for n in states[0]:
        if n[7:] in BUFFERS:
            a, b = states[0][n].double(), golden[0][n].double()
            # PyTorch's linspace differs from ours by up to 1.9e-9, relative errors are roundings; a
            # cosine beta is 1 - quotient of two alphas, each an ulp of 1 off, and rounded.
            cosine = n == "module.betas" and name == "concat_condemb"
            limit = (3 * 2.0**-23 if cosine else 2e-9) + 4e-7 * b.abs()
            check(bool(((a - b).abs() <= limit).all()), f"{name}: {n} is too far off")


def export_run(folder, name, settings):
    """A checkpoint of ours with everything that training needs."""
    run = os.path.join(folder, name)
    mcvd("train", "--config", os.path.join(SOURCE, "configs", "tiny.json"), "--data",
         os.path.join(SOURCE, "datasets", "smmnist"), "--steps", "3", "--out", run, "--threads",
         "1", *settings)
    file = os.path.join(folder, name + ".pt")
    mcvd("export", run, "-o", file, "--force")
    states = torch.load(file)
    ours = read_safetensors(os.path.join(run, "checkpoints", "step-00000003.safetensors"))
    names = [n[7:] for n in states[0] if n[7:] not in BUFFERS]
    for n in names:
        check(torch.equal(states[0]["module." + n], ours[n]), f"{name}: {n} differs")
    check(states[3] == 3, f"{name}: step")
    moments = {"exp_avg": "adam.m.", "exp_avg_sq": "adam.v."}
    if "optim.amsgrad=true" in settings:
        moments["max_exp_avg_sq"] = "adam.v_max."
    for i, n in enumerate(names):
        state = states[1]["state"][i]
        check(set(state) == {"step", *moments}, f"{name}: state of {n}")
        for key, prefix in moments.items():
            check(torch.equal(state[key], ours[prefix + n]), f"{name}: {key} of {n} differs")
    if any(n.startswith("ema.") for n in ours):
        same_tensors(states[4], {n: ours["ema." + n] for n in names}, name + " averages")
    else:
        check(len(states) == 4, f"{name}: averages of a run without")
    resume(states, name)


def reverse(folder, what, content, config, wanted, status=0, **options):
    """What torch.save writes comes in."""
    file = os.path.join(folder, what + ".pt")
    model = os.path.join(folder, what + ".safetensors")
    torch.save(content, file, **options)
    mcvd("import", file, "--config", config, "-o", model, status=status)
    check(os.path.exists(model) == (status == 0), f"{what}: left behind")
    if status == 0:
        same_tensors(unordered(read_safetensors(model), wanted), wanted, what)


def one_storage(tensors):
    """The same tensors as views of one long storage."""
    long = torch.cat([t.reshape(-1) for t in tensors.values()])
    views, at = {}, 0
    for name, t in tensors.items():
        views[name] = long[at:at + t.numel()].view(t.shape)
        at += t.numel()
    return views


def import_variants(folder, name):
    config = os.path.join(GOLDEN, name, "config.yml")
    golden = torch.load(os.path.join(GOLDEN, name, "checkpoint.pt"))
    ema = golden[4]
    order = {n: t.to(memory_format=torch.channels_last) if t.dim() == 4 else t
             for n, t in ema.items()}
    transposed = {n: t.t().contiguous().t() if t.dim() == 2 else t for n, t in ema.items()}
    half = {n: t.half() for n, t in ema.items()}
    optimizer = {"state": {}, "param_groups": []}
    reverse(folder, "plain", [golden[0], optimizer, 0, 7, ema], config, ema)
    reverse(folder, "channels_last", [golden[0], optimizer, 0, 7, order], config, ema)
    reverse(folder, "transposed", [golden[0], optimizer, 0, 7, transposed], config, ema)
    reverse(folder, "views", [golden[0], optimizer, 0, 7, one_storage(ema)], config, ema)
    reverse(folder, "high_step", [golden[0], optimizer, 2**31, 2**40, ema], config, ema)
    reverse(folder, "old", [golden[0], optimizer, 0, 7, ema], config, ema,
            _use_new_zipfile_serialization=False)
    reverse(folder, "half", [golden[0], optimizer, 0, 7, half], config, ema, status=4)
    missing = dict(list(ema.items())[1:])
    reverse(folder, "missing", [golden[0], optimizer, 0, 7, missing], config, ema, status=4)


def large(folder):
    """Millions of parameters, there and back."""
    config = os.path.join(SOURCE, "configs", "bair.json")
    listed = json.loads(mcvd("info", config, "--tensors", "--json").stdout)["tensors"]
    torch.manual_seed(1)
    ema = {t["name"]: torch.randn(t["shape"]) for t in listed}
    state = {"module." + n: t + 1 for n, t in ema.items()}
    content = [state, {"state": {}, "param_groups": []}, 3, 70000, ema]
    reverse(folder, "large", content, config, ema)
    out = os.path.join(folder, "large")
    os.mkdir(out)
    mcvd("export", os.path.join(folder, "large.safetensors"), "-o",
         os.path.join(out, "checkpoint.pt"))
    states = torch.load(os.path.join(out, "checkpoint.pt"))
    same_tensors(unordered(states[4], ema), ema, "large")


def main():
    torch.set_num_threads(1)
    if yaml is None:
        print("no PyYAML here: config.yml is not looked at")
    with tempfile.TemporaryDirectory() as folder:
        for name in CASES:
            export_golden(name, folder)
        export_run(folder, "run", [])
        export_run(folder, "amsgrad", ["--set", "optim.amsgrad=true", "--set", "model.ema=false"])
        for name in ("concat_gray", "spade_pseudo3d_rgb"):
            with tempfile.TemporaryDirectory() as variants:
                import_variants(variants, name)
        large(folder)
    print(f"{checks} checks with PyTorch {torch.__version__}")


main()

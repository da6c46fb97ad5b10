"""The networks of mcvd in PyTorch: a readable twin, and the other side of the speed comparison.

2D, 3D and pseudo-3D U-Nets, conditioned by channels or by SPADE. Names and shapes of the state are
those of the reference's checkpoints, so either side's weights load here. check.py compares it with
the golden cases, bench.py times it.
"""
import json
import math
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import nn


# --- building blocks; x is [B, c, H, W], in the 3D networks [B, c, N, H, W] with N frames ---


def num_groups(c):
    g = min(c // 4, 32)
    while c % g:
        g -= 1
    return g


def resample_fir(x, up):
    """Doubles or halves H and W by the taps 1-3-3-1, with zeros outside of the image."""
    shape = x.shape
    x = x.flatten(1, -3)
    if up:  # doubled pixels under the taps 1-2-1 are the same, and faster than a transposed map
        x = F.interpolate(x, scale_factor=2, mode="nearest")
    taps = x.new_tensor([1.0, 2.0, 1.0] if up else [1.0, 3.0, 3.0, 1.0])
    taps = taps / taps.sum()
    kernel = torch.outer(taps, taps).expand(x.shape[1], 1, -1, -1)
    x = F.conv2d(x, kernel, stride=1 if up else 2, padding=1, groups=x.shape[1])
    return x.view(*shape[:-2], *x.shape[-2:])


class Conv3d(nn.Module):
    def __init__(self, c_in, c_out, k):
        super().__init__()
        self.conv = nn.Conv3d(c_in, c_out, k, padding=k // 2)

    def forward(self, x):
        return self.conv(x)


class PseudoConv3d(nn.Module):
    """Every frame by itself, SiLU, every pixel along the frames."""

    def __init__(self, c_in, c_out, k):
        super().__init__()
        self.space_conv = nn.Conv2d(c_in, c_out, k, padding=k // 2)
        self.time_conv = nn.Conv1d(c_out, c_out, k, padding=k // 2)

    def forward(self, x):
        b, _, n, h, w = x.shape
        x = F.silu(self.space_conv(x.transpose(1, 2).flatten(0, 1)))  # [B N, c, H, W]
        x = x.view(b, n, -1, h, w).permute(0, 3, 4, 2, 1)             # [B, H, W, c, N]
        x = self.time_conv(x.flatten(0, 2))
        return x.view(b, h, w, -1, n).permute(0, 3, 4, 1, 2)


def conv(a, c_in, c_out, k=3):
    if a.kind == "2d":
        return nn.Conv2d(c_in, c_out, k, padding=k // 2)
    return (Conv3d if a.kind == "3d" else PseudoConv3d)(c_in, c_out, k)


class FrameMix(nn.Conv2d):
    """A linear map along the frames, the same for every channel and pixel."""

    def __init__(self, n_in, n_out):
        super().__init__(n_in, n_out, 1)

    def forward(self, x):
        return super().forward(x.flatten(0, 1)).view(x.shape[0], x.shape[1], -1, *x.shape[3:])


class Spade(nn.Module):
    """Group norm whose scale and shift are maps, computed from the conditioning frames."""

    def __init__(self, a, c):
        super().__init__()
        self.param_free_norm = nn.GroupNorm(num_groups(c), c, eps=1e-6, affine=False)
        if a.kind == "2d":
            c_cond, hidden = a.num_cond * a.channels, a.spade_dim
        else:
            c_cond, hidden = a.channels, a.spade_dim // a.num_frames
            self.converter = conv(a, a.num_cond, a.num_frames, 1)  # frames in the place of channels
        self.mlp_shared = nn.Sequential(conv(a, c_cond, hidden), nn.SiLU())
        self.mlp_gamma = conv(a, hidden, c)
        self.mlp_beta = conv(a, hidden, c)

    def forward(self, x, cond):
        if hasattr(self, "converter"):
            cond = self.converter(cond.transpose(1, 2)).transpose(1, 2)
        cond = F.interpolate(cond, size=x.shape[2:], mode="nearest")
        hidden = self.mlp_shared(cond)
        return self.param_free_norm(x) * (1 + self.mlp_gamma(hidden)) + self.mlp_beta(hidden)


class ActNorm(nn.Module):
    """Normalise, modulate by the timestep's embedding (z_dim values, or none), activate."""

    def __init__(self, a, c, z_dim):
        super().__init__()
        self.Dense_0 = nn.Linear(z_dim, 2 * c) if z_dim else None
        if a.spade:
            self.Norm_0 = Spade(a, c)
        else:
            self.Norm_0 = nn.GroupNorm(num_groups(c), c, eps=1e-5, affine=not z_dim)

    def forward(self, x, temb, cond):
        x = self.Norm_0(x, cond) if isinstance(self.Norm_0, Spade) else self.Norm_0(x)
        if self.Dense_0 is not None:
            q = self.Dense_0(F.silu(temb))
            scale, shift = q.view(*q.shape, *[1] * (x.dim() - 2)).chunk(2, dim=1)
            x = x * (1 + scale) + shift
        return F.silu(x)


class ResBlock(nn.Module):
    def __init__(self, a, c_in, c_out, resample=None):
        super().__init__()
        self.resample = resample
        self.actnorm0 = ActNorm(a, c_in, a.z_dim)
        self.Conv_0 = conv(a, c_in, c_out)
        self.actnorm1 = ActNorm(a, c_out, a.z_dim)
        self.dropout = nn.Dropout(a.dropout)
        self.Conv_1 = conv(a, c_out, c_out)
        if resample or c_in != c_out:
            self.Conv_2 = conv(a, c_in, c_out, 1)

    def forward(self, x, temb, cond):
        h = self.actnorm0(x, temb, cond)
        if self.resample:
            h = resample_fir(h, self.resample == "up")
            x = resample_fir(x, self.resample == "up")
        h = self.Conv_0(h)
        h = self.Conv_1(self.dropout(self.actnorm1(h, temb, cond)))
        if hasattr(self, "Conv_2"):
            x = self.Conv_2(x)
        return (x + h) / math.sqrt(2.0)


class Nin(nn.Module):
    """A linear map of the channels of [B, pixels, c]."""

    def __init__(self, c):
        super().__init__()
        self.W = nn.Parameter(torch.empty(c, c))  # [in, out]
        self.b = nn.Parameter(torch.zeros(c))
        nn.init.xavier_uniform_(self.W)

    def forward(self, x):
        return F.linear(x, self.W.t(), self.b)


class Attention(nn.Module):
    def __init__(self, a, c):
        super().__init__()
        one_head = a.n_head_channels == -1 or c < a.n_head_channels
        self.heads = 1 if one_head else c // a.n_head_channels
        self.GroupNorm_0 = nn.GroupNorm(num_groups(c), c, eps=1e-6)
        self.NIN_0, self.NIN_1, self.NIN_2, self.NIN_3 = (Nin(c) for _ in range(4))

    def forward(self, x):
        n = self.GroupNorm_0(x).flatten(2).transpose(1, 2)  # [B, pixels, c]
        q, k, v = (nin(n).unflatten(2, (self.heads, -1)).transpose(1, 2)
                   for nin in (self.NIN_0, self.NIN_1, self.NIN_2))
        weights = torch.softmax(q @ k.transpose(2, 3) * q.shape[3] ** -0.5, dim=3)
        o = self.NIN_3((weights @ v).transpose(1, 2).flatten(2))
        return (x + o.transpose(1, 2).reshape(x.shape)) / math.sqrt(2.0)


class Attention3d(nn.Module):
    """Among the pixels of a frame, then among the frames of a pixel."""

    def __init__(self, a, c):
        super().__init__()
        self.space_att = Attention(a, c)
        self.time_att = Attention(a, c)

    def forward(self, x):
        b, c, n, h, w = x.shape
        x = self.space_att(x.transpose(1, 2).reshape(b * n, c, h, w)).view(b, n, c, h, w)
        x = self.time_att(x.permute(0, 3, 4, 2, 1).reshape(b * h * w, c, n, 1))
        return x.view(b, h, w, c, n).permute(0, 3, 4, 1, 2)


# --- the U-Net: the layers in the order of their numbers, and the same walk when it runs ---


class UNet(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.a = a
        self.all_modules = nn.ModuleList(self.layers(a))

    @staticmethod
    def layers(a):
        attention = Attention if a.kind == "2d" else Attention3d
        per_frame = a.channels if a.kind != "2d" else a.channels * a.frames_in
        if a.time_conditional:
            yield nn.Linear(a.e_dim, 4 * a.e_dim)
            yield nn.Linear(4 * a.e_dim, 4 * a.e_dim)
            if a.cond_emb:
                yield nn.Embedding(2, a.e_dim // 2)
        yield conv(a, per_frame, a.ngf)
        c, stack = a.ngf, [a.ngf]
        for level, mult in enumerate(a.ch_mult):
            for _ in range(a.num_res_blocks):
                yield ResBlock(a, c, a.ngf * mult)
                c = a.ngf * mult
                if a.has_attention[level]:
                    yield attention(a, c)
                stack.append(c)
            if level < len(a.ch_mult) - 1:
                yield ResBlock(a, c, c, "down")
                stack.append(c)
        yield ResBlock(a, c, c)
        yield attention(a, c)
        if a.mixes_frames:
            yield FrameMix(a.frames_in, a.num_frames)
        yield ResBlock(a, c, c)
        for level, mult in reversed(list(enumerate(a.ch_mult))):
            for _ in range(a.num_res_blocks + 1):
                if a.mixes_frames:
                    yield FrameMix(a.frames_in, a.num_frames)
                yield ResBlock(a, c + stack.pop(), a.ngf * mult)
                c = a.ngf * mult
            if a.has_attention[level]:
                yield attention(a, c)
            if level > 0:
                yield ResBlock(a, c, c, "up")
        yield ActNorm(a, c, 0)
        yield conv(a, c, a.channels * (a.num_frames if a.kind == "2d" else 1))

    def embed(self, layer, labels, cond_mask):
        half = self.a.e_dim // 2
        steps = torch.arange(half, dtype=torch.float32, device=labels.device)
        angles = labels.float()[:, None] * torch.exp(steps * -(math.log(10000.0) / (half - 1)))
        e = F.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, self.a.e_dim % 2))
        temb = next(layer)(e)
        temb = next(layer)(F.silu(temb))
        if self.a.cond_emb:
            if cond_mask is None:
                cond_mask = torch.ones_like(labels)
            temb = torch.cat([temb, next(layer)(cond_mask.long())], dim=1)
        return temb

    def frames_inside(self, x):
        """[B, N C, H, W] to [B, C, N, H, W]."""
        return x.unflatten(1, (-1, self.a.channels)).transpose(1, 2)

    def forward(self, x, labels, cond=None, cond_mask=None):
        a = self.a
        layer = iter(self.all_modules)
        temb = self.embed(layer, labels, cond_mask) if a.time_conditional else None
        if not a.spade and cond is not None:
            x = torch.cat([x, cond], dim=1)
        if a.kind != "2d":
            x = self.frames_inside(x)
            cond = self.frames_inside(cond) if a.spade else None
        x = next(layer)(x)
        stack = [x]
        for level in range(len(a.ch_mult)):
            for _ in range(a.num_res_blocks):
                x = next(layer)(x, temb, cond)
                if a.has_attention[level]:
                    x = next(layer)(x)
                stack.append(x)
            if level < len(a.ch_mult) - 1:
                x = next(layer)(x, temb, cond)
                stack.append(x)
        x = next(layer)(x, temb, cond)
        x = next(layer)(x)
        if a.mixes_frames:
            x = next(layer)(x)
        x = next(layer)(x, temb, cond)
        for level in reversed(range(len(a.ch_mult))):
            for _ in range(a.num_res_blocks + 1):
                skip = stack.pop()
                if a.mixes_frames:
                    skip = next(layer)(skip)
                x = next(layer)(torch.cat([x, skip], dim=1), temb, cond)
            if a.has_attention[level]:
                x = next(layer)(x)
            if level > 0:
                x = next(layer)(x, temb, cond)
        x = next(layer)(x, None, cond)
        x = next(layer)(x)
        return x if a.kind == "2d" else x.transpose(1, 2).flatten(1, 2)


def noise_schedule(m):
    """betas, alphas (cumulative) and alphas_prev; the first entry is the noisiest."""
    T = m["num_classes"]
    if m["sigma_dist"] == "linear":
        betas = torch.linspace(m["sigma_begin"], m["sigma_end"], T, dtype=torch.float64)
        alphas = (1 - betas).flip(0).cumprod(0).flip(0)
        alphas_prev = F.pad(alphas[1:], (0, 1), value=1.0)
    else:
        t = torch.arange(T, -1, -1, dtype=torch.float64) / T
        f = torch.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
        alphas, alphas_prev = (f / f[-1])[:-1], (f / f[-1])[1:]
        betas = 1 - alphas / alphas_prev
    return betas.float(), alphas.float(), alphas_prev.float()


class Mcvd(nn.Module):
    """The U-Net of a configuration (the nested JSON) with the schedule that checkpoints carry."""

    def __init__(self, config):
        super().__init__()
        self.noise_in_cond = config["model"].get("noise_in_cond", False)
        self.unet = UNet(architecture(config))
        for name, value in zip(("betas", "alphas", "alphas_prev"), noise_schedule(config["model"])):
            self.register_buffer(name, value)

    def forward(self, x, labels, cond=None, cond_mask=None, cond_noise=None):
        if self.noise_in_cond and cond is not None:
            alpha = self.alphas[labels.long()].view(-1, 1, 1, 1)
            z = torch.randn_like(cond) if cond_noise is None else cond_noise
            cond = alpha.sqrt() * cond + (1 - alpha).sqrt() * z
        return self.unet(x, labels, cond, cond_mask)

    def load(self, state):
        """Every parameter must be there; schedules that this class does not keep may be."""
        state = {name.removeprefix("module."): value for name, value in state.items()}
        missing, unexpected = self.load_state_dict(state, strict=False)
        kept = {"betas", "alphas", "alphas_prev"}
        spare = {"unet.sigmas", "k", "k_cum", "theta_t"}
        if set(missing) - kept or set(unexpected) - spare:
            raise KeyError(f"missing {sorted(set(missing) - kept)}, "
                           f"unknown {sorted(set(unexpected) - spare)}")


def read_json(path):
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    return config.get("config", config)


def architecture(config):
    d, m = config["data"], config["model"]
    kinds = {"unetmore": "2d", "unetmore3d": "3d", "unetmorepseudo3d": "pseudo3d"}
    a = SimpleNamespace(
        kind=kinds[m["arch"]], spade=m.get("spade", False), spade_dim=m.get("spade_dim", 128),
        channels=d["channels"], num_frames=d["num_frames"],
        num_cond=d["num_frames_cond"] + d.get("num_frames_future", 0),
        ngf=m["ngf"], ch_mult=m["ch_mult"], num_res_blocks=m["num_res_blocks"],
        n_head_channels=m["n_head_channels"], dropout=m.get("dropout", 0.0),
        time_conditional=m.get("time_conditional", True), cond_emb=m.get("cond_emb", False))
    a.frames_in = a.num_frames + (0 if a.spade else a.num_cond)
    a.mixes_frames = a.kind != "2d" and not a.spade
    a.has_attention = [d["image_size"] >> level in m["attn_resolutions"]
                       for level in range(len(a.ch_mult))]
    a.e_dim = a.ngf * (1 if a.kind == "2d" else a.frames_in)
    a.z_dim = 0
    if a.time_conditional:
        a.z_dim = 4 * a.e_dim + (a.e_dim // 2 if a.cond_emb else 0)
    return a

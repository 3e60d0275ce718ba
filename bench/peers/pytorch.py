#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""c-Glow and CNF in PyTorch: checks a checkpoint's likelihoods, then times steps and samples.

    glowbench train horses --size 32 --iters 1 --out run
    glowbench eval horses --checkpoint run/checkpoint.safetensors --tensors check.safetensors
    glowbench bench --kind steps,samples --model cglow-horses-32 --json rows.jsonl
    python3 bench/peers/pytorch.py run/checkpoint.safetensors --check check.safetensors --rows rows.jsonl

The modules are ordinary PyTorch, with the checkpoint's names for their parameters. For each native
row of a step or sample of the checkpoint's task, model and size in ROWS, a row per variant is appended,
which `glowbench report` and `score` show as a backend. The model's other sizes must be the defaults,
as in those benchmarks; rows of `bench --checkpoint run/checkpoint.safetensors` have the sizes of the
checkpoint. Nothing is timed unless the check passes. Works with the distribution's
python3-torch (1.13) and later; variants that a version lacks are left out with a message.
"""
import argparse
import contextlib
import copy
import datetime
import json
import math
import os
import re
import struct
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

LN2 = math.log(2)
NORM_EPSILON, NORM_MOMENTUM = 1e-5, 0.1
TOLERANCE = 1e-5  # bits per dimension, or of them where they are above 1


# ---- Files ----

def read_safetensors(path):
    """The tensors of a safetensors file by name, and its metadata."""
    types = {"F32": torch.float32, "F64": torch.float64, "I64": torch.int64}
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = bytearray(file.read())
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        flat = (torch.frombuffer(data, dtype=torch.uint8)[first:last].clone().view(types[entry["dtype"]])
                if last > first else torch.empty(0, dtype=types[entry["dtype"]]))
        tensors[name] = flat.reshape(entry["shape"])
    return tensors, metadata


# ---- Common parts ----

def squeeze(v):
    return F.pixel_unshuffle(v, 2)


def unsqueeze(v):
    return F.pixel_shuffle(v, 2)


def log_normal(z):
    return (-0.5 * (math.log(2 * math.pi) + z * z)).flatten(1).sum(1)


def interleaved(raw):
    """Even and odd channels."""
    return raw[:, 0::2], raw[:, 1::2]


class Conv(nn.Module):
    """act((conv(x) + bias [+ new_bias]) [* exp(factor * log_scale)])."""

    def __init__(self, inputs, outputs, kernel, stride=(1, 1), padding=(0, 0), activation=None,
                 factor=0, new_bias=False):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(outputs, inputs, *kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.new_bias = nn.Parameter(torch.zeros(outputs)) if new_bias else None
        self.log_scale = nn.Parameter(torch.zeros(outputs)) if factor else None
        self.stride, self.padding, self.activation, self.factor = stride, padding, activation, factor

    def forward(self, x):
        bias = self.bias if self.new_bias is None else self.bias + self.new_bias
        y = F.conv2d(x, self.weight, bias, self.stride, self.padding)
        if self.log_scale is not None:
            y = y * torch.exp(self.factor * self.log_scale).view(1, -1, 1, 1)
        return y if self.activation is None else self.activation(y)


def same(inputs, outputs, kernel=3, **options):
    return Conv(inputs, outputs, (kernel, kernel), padding=(kernel // 2, kernel // 2), **options)


def reducing(inputs, outputs, size_in, size_out, activation=F.relu):
    """The convolution without padding from one size to another that covers all pixels."""
    stride = [i // o for i, o in zip(size_in, size_out)]
    kernel = [i - (o - 1) * s for i, o, s in zip(size_in, size_out, stride)]
    return Conv(inputs, outputs, kernel, stride, activation=activation)


class Linear(nn.Linear):
    def __init__(self, inputs, outputs, activation):
        super().__init__(inputs, outputs)
        self.activation = activation

    def forward(self, x):
        return self.activation(super().forward(x))


def expand(condition, batch):
    """Repeats what was computed of one image for all its samples."""
    return condition if condition.shape[0] == batch else condition.expand(batch, *condition.shape[1:])


class Flow(nn.Module):
    """Levels of squeeze, steps and a split; subclasses give the levels and the priors."""

    dequantises = False

    def dequantise(self, y, noise, conditions):
        """What enters the flow for a target, and the log-density of its noise, to be subtracted."""
        return y, y.new_zeros(y.shape[0])

    def log_likelihood(self, x, y, noise=None):
        conditions = self.condition(x)
        v, log_density = self.dequantise(y, noise, conditions)
        log_likelihood = -log_density
        last = len(self.levels) - 1
        for l, level in enumerate(self.levels):
            v = squeeze(v)
            for step, condition in zip(level.steps, conditions[l]):
                v, log_det = step(v, condition)
                log_likelihood = log_likelihood + log_det
            kept, latent = (v[:, :0], v) if l == last else v.chunk(2, 1)
            mean, log_sigma = level.prior_of(kept, conditions[l])
            if mean is not None:
                latent = (latent - mean) * torch.exp(-log_sigma)
                log_likelihood = log_likelihood - log_sigma.flatten(1).sum(1)
            log_likelihood = log_likelihood + log_normal(latent)
            v = kept
        return log_likelihood

    def sample(self, x, noise):
        """From latents of standard normal noise, one tensor per level."""
        conditions = self.condition(x)
        v = None
        for l in reversed(range(len(self.levels))):
            level = self.levels[l]
            kept = noise[l][:, :0] if v is None else v
            mean, log_sigma = level.prior_of(kept, conditions[l])
            latent = noise[l] if mean is None else mean + torch.exp(log_sigma) * noise[l]
            v = latent if v is None else torch.cat([kept, latent], 1)
            for step, condition in zip(reversed(level.steps), reversed(conditions[l])):
                v = step.inverse(v, condition)
            v = unsqueeze(v)
        return v

    def latent_shapes(self, batch):
        c, h, w = self.sizes["y"]
        shapes = []
        for l in range(len(self.levels)):
            c, h, w = 4 * c, h // 2, w // 2
            last = l == len(self.levels) - 1
            shapes.append((batch, c if last else c // 2, h, w))
            c = c if last else c // 2
        return shapes


def sizes_of(config):
    return {name: tuple(int(config[f"{name}_{side}"]) for side in ("channels", "height", "width"))
            for name in "xy"}


# ---- c-Glow ----

class ConditioningNet(nn.Module):
    def __init__(self, x, n_c, n_w, outputs):
        super().__init__()
        inputs, size, self.conv = x[0], x[1:], nn.ModuleList()
        for _ in range(3):
            half = tuple(s // 2 for s in size)
            self.conv.append(reducing(inputs, n_c, size, half))
            inputs, size = n_c, half
        self.fc = nn.ModuleList([Linear(n_c * size[0] * size[1], n_w, F.relu),
                                 Linear(n_w, n_w, F.relu), Linear(n_w, outputs, torch.tanh)])

    def forward(self, x):
        for conv in self.conv:
            x = conv(x)
        x = x.contiguous().flatten(1)
        for fc in self.fc:
            x = fc(x)
        return x


class ConditionalCoupling(nn.Module):
    def __init__(self, x, v, config):
        super().__init__()
        wide, hidden = int(config["feature_channels"]), int(config["coupling_channels"])
        half = v[0] // 2
        self.features = nn.ModuleList([same(x[0], wide, activation=F.relu),
                                       reducing(wide, half, x[1:], v[1:]),
                                       same(half, half, activation=F.relu)])
        self.net = nn.ModuleList([same(2 * half, hidden, activation=F.relu, factor=1),
                                  same(hidden, hidden, 1, activation=F.relu, factor=1),
                                  same(hidden, v[0], activation=torch.tanh, factor=3, new_bias=True)])

    def condition(self, x):
        for conv in self.features:
            x = conv(x)
        return x

    def raw(self, v1, features):
        at = torch.cat([expand(features, v1.shape[0]), v1], 1)
        for conv in self.net:
            at = conv(at)
        return interleaved(at.float())


class CGlowStep(nn.Module):
    def __init__(self, x, v, config):
        super().__init__()
        n_c, n_w = int(config["n_c"]), int(config["n_w"])
        self.actnorm = ConditioningNet(x, n_c, n_w, 2 * v[0])
        self.mix = ConditioningNet(x, n_c, n_w, v[0] * v[0])
        self.coupling = ConditionalCoupling(x, v, config)

    def condition(self, x):
        log_scale, bias = self.actnorm(x).float().chunk(2, 1)
        matrix = self.mix(x).float()
        side = log_scale.shape[1]
        return log_scale, bias, matrix.view(-1, side, side), self.coupling.condition(x)

    def forward(self, v, condition):
        log_scale, bias, matrix, features = condition
        pixels = v.shape[2] * v.shape[3]
        v = (v + bias[:, :, None, None]) * torch.exp(log_scale)[:, :, None, None]
        v = torch.einsum("noc,nchw->nohw", matrix, v)
        log_det = pixels * (log_scale.sum(1) + torch.linalg.slogdet(matrix)[1])
        v1, v2 = v.chunk(2, 1)
        shift, raw_scale = self.coupling.raw(v1, features)
        log_scale = F.logsigmoid(raw_scale + 2)
        v2 = (v2 + shift) * torch.exp(log_scale)
        return torch.cat([v1, v2], 1), log_det + log_scale.flatten(1).sum(1)

    def inverse(self, v, condition):
        log_scale, bias, matrix, features = condition
        v1, v2 = v.chunk(2, 1)
        shift, raw_scale = self.coupling.raw(v1, features)
        v2 = v2 / torch.sigmoid(raw_scale + 2) - shift
        v = torch.cat([v1, v2], 1)
        inverse = expand(torch.linalg.inv(matrix), v.shape[0])
        v = torch.einsum("noc,nchw->nohw", inverse, v)
        return v * torch.exp(-log_scale)[:, :, None, None] - bias[:, :, None, None]


class CGlowLevel(nn.Module):
    def __init__(self, x, v, config, last):
        super().__init__()
        self.steps = nn.ModuleList(CGlowStep(x, v, config) for _ in range(int(config["steps"])))
        self.split = None if last else same(v[0] // 2, v[0], activation=torch.tanh)

    def prior_of(self, kept, _):
        return (None, None) if self.split is None else interleaved(self.split(kept).float())


class CGlow(Flow):
    def __init__(self, config):
        super().__init__()
        self.sizes = sizes_of(config)
        (c, h, w), count, self.levels = self.sizes["y"], int(config["levels"]), nn.ModuleList()
        for l in range(count):
            c, h, w = 4 * c, h // 2, w // 2
            self.levels.append(CGlowLevel(self.sizes["x"], (c, h, w), config, l == count - 1))
            c //= 2

    def condition(self, x):
        return [[step.condition(x) for step in level.steps] for level in self.levels]


# ---- CNF ----

def leaky_relu(x):
    return F.leaky_relu(x, 0.2)


class DenseBlock(nn.Module):
    def __init__(self, channels, growth):
        super().__init__()
        self.conv = nn.ModuleList(same(channels + i * growth, growth, activation=leaky_relu)
                                  for i in range(4))
        self.conv.append(same(channels + 4 * growth, channels))

    def forward(self, x):
        joined = x
        for conv in self.conv[:4]:
            joined = torch.cat([joined, conv(joined)], 1)
        return x + 0.2 * self.conv[4](joined)


class RRDB(nn.Module):
    def __init__(self, channels, growth):
        super().__init__()
        self.dense = nn.ModuleList(DenseBlock(channels, growth) for _ in range(3))

    def forward(self, x):
        at = x
        for dense in self.dense:
            at = dense(at)
        return x + 0.2 * at


class RRDBFeatures(nn.Module):
    def __init__(self, x, levels, channels, config):
        super().__init__()
        self.first = same(x[0], channels)
        self.blocks = nn.ModuleList(RRDB(channels, int(config["growth"]))
                                    for _ in range(int(config["rrdb_blocks"])))
        self.trunk = same(channels, channels)
        self.up = same(channels, channels, activation=leaky_relu)
        self.levels = nn.ModuleList(Conv(channels, channels, (2, 2), (2, 2)) for _ in range(levels))

    def forward(self, x):
        first = self.first(x)
        at = first
        for block in self.blocks:
            at = block(at)
        at = self.up(F.interpolate(first + self.trunk(at), scale_factor=2, mode="nearest"))
        features = []
        for level in self.levels:
            at = level(at)
            features.append(at)
        return features


class InstanceNorm(nn.Module):
    """By each image's own moments, then ReLU."""

    def forward(self, v):
        return F.relu(F.instance_norm(v, eps=NORM_EPSILON))


class NormConv(Conv):
    """A block of the features for vessels: instance norm, ReLU, 3x3 convolution."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, (3, 3), padding=(1, 1))

    def forward(self, x):
        return super().forward(F.relu(F.instance_norm(x, eps=NORM_EPSILON)))


class VGGFeatures(nn.Module):
    """The layers of the paper's Table 4, numbered as there: the input is layer 0."""

    def __init__(self, x, levels, channels):
        super().__init__()
        self.layers = nn.ModuleList([nn.Identity(), NormConv(x[0], channels)])
        for _ in range(levels):
            self.layers.extend([nn.MaxPool2d(2), NormConv(channels, channels), NormConv(channels, channels)])

    def forward(self, x):
        features = []
        for number, layer in enumerate(self.layers):
            x = layer(x)
            if number > 1 and number % 3 == 1:
                features.append(x)
        return features


class NormParameters(nn.Module):
    """Instance norm as a layer of the flow: running moments, unless it trains."""

    def __init__(self, channels):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, v):
        """The normalised v and its log-determinant; in training as if the moments were constants."""
        if self.training:
            variance, mean = torch.var_mean(v, (2, 3), unbiased=False)
            with torch.no_grad():
                self.mean.lerp_(mean.mean(0), NORM_MOMENTUM)
                self.variance.lerp_(variance.mean(0), NORM_MOMENTUM)
        else:
            mean, variance = self.mean[None], self.variance[None]
        scale = torch.rsqrt(variance + NORM_EPSILON)
        log_det = v.shape[2] * v.shape[3] * torch.log(scale).sum(1)
        return (v - mean[:, :, None, None]) * scale[:, :, None, None], log_det

    def inverse(self, v):
        scale = torch.sqrt(self.variance + NORM_EPSILON)
        return v * scale.view(1, -1, 1, 1) + self.mean.view(1, -1, 1, 1)


def actnorm(v, bias, log_scale):
    return (v + bias.view(1, -1, 1, 1)) * torch.exp(log_scale).view(1, -1, 1, 1)


class ActnormParameters(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(channels))


class Matrix(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.eye(channels).view(channels, channels, 1, 1))


class FeatureCoupling(nn.Module):
    def __init__(self, channels, features, hidden):
        super().__init__()
        self.net = nn.ModuleList([same(channels // 2 + features, hidden, activation=F.relu),
                                  same(hidden, hidden, 1, activation=F.relu),
                                  same(hidden, channels, factor=3)])

    def raw(self, v1, features):
        at = torch.cat([v1, expand(features, v1.shape[0])], 1)
        for conv in self.net:
            at = conv(at)
        return interleaved(at.float())


class CNFStep(nn.Module):
    def __init__(self, channels, features, hidden):
        super().__init__()
        self.actnorm = ActnormParameters(channels)
        self.mix = Matrix(channels)
        self.coupling = FeatureCoupling(channels, features, hidden)

    def forward(self, v, features):
        pixels = v.shape[2] * v.shape[3]
        v = actnorm(v, self.actnorm.bias, self.actnorm.log_scale)
        v = F.conv2d(v, self.mix.weight)
        log_det = pixels * (self.actnorm.log_scale.sum() +
                            torch.linalg.slogdet(self.mix.weight[:, :, 0, 0])[1])
        v1, v2 = v.chunk(2, 1)
        shift, raw_scale = self.coupling.raw(v1, features)
        scale = F.softplus(raw_scale)
        return (torch.cat([v1, v2 * scale + shift], 1),
                log_det + torch.log(scale).flatten(1).sum(1))

    def inverse(self, v, features):
        v1, v2 = v.chunk(2, 1)
        shift, raw_scale = self.coupling.raw(v1, features)
        v = torch.cat([v1, (v2 - shift) / F.softplus(raw_scale)], 1)
        inverse = torch.linalg.inv(self.mix.weight[:, :, 0, 0])[:, :, None, None]
        v = F.conv2d(v, inverse)
        return (v * torch.exp(-self.actnorm.log_scale).view(1, -1, 1, 1) -
                self.actnorm.bias.view(1, -1, 1, 1))


class AdditiveCoupling(nn.Module):
    """Of the steps for vessels."""

    def __init__(self, channels, features, hidden):
        super().__init__()
        self.net = nn.ModuleList([same(channels // 2 + features, hidden), InstanceNorm(),
                                  same(hidden, channels // 2, factor=3)])

    def shift(self, v1, features):
        at = torch.cat([v1, expand(features, v1.shape[0])], 1)
        for layer in self.net:
            at = layer(at)
        return at.float()


class AdditiveStep(nn.Module):
    def __init__(self, channels, features, hidden):
        super().__init__()
        self.norm = NormParameters(channels)
        self.mix = Matrix(channels)
        self.coupling = AdditiveCoupling(channels, features, hidden)

    def forward(self, v, features):
        pixels = v.shape[2] * v.shape[3]
        v, log_det = self.norm(v)
        v = F.conv2d(v, self.mix.weight)
        v1, v2 = v.chunk(2, 1)
        return (torch.cat([v1, v2 + self.coupling.shift(v1, features)], 1),
                log_det + pixels * torch.linalg.slogdet(self.mix.weight[:, :, 0, 0])[1])

    def inverse(self, v, features):
        v1, v2 = v.chunk(2, 1)
        v = torch.cat([v1, v2 - self.coupling.shift(v1, features)], 1)
        inverse = torch.linalg.inv(self.mix.weight[:, :, 0, 0])[:, :, None, None]
        return self.norm.inverse(F.conv2d(v, inverse))


class Dequantiser(nn.Module):
    """Half-infinite noise on a binary mask, from standard normal noise by steps that see the mask."""

    def __init__(self, mask_channels, features, hidden, steps):
        super().__init__()
        channels = 4 * mask_channels
        self.steps = nn.ModuleList(AdditiveStep(channels, features + channels, hidden)
                                   for _ in range(steps))

    def forward(self, y, noise, features):
        v, context = squeeze(noise), torch.cat([features, squeeze(y)], 1)
        log_density = log_normal(v)
        for step in self.steps:
            v, log_det = step(v, context)
            log_density = log_density - log_det
        u = unsqueeze(v)
        log_density = log_density - F.logsigmoid(u).flatten(1).sum(1)
        return 0.5 + torch.sign(y - 0.5) * F.softplus(u), log_density


class CNFLevel(nn.Module):
    def __init__(self, make_step, channels, last, features, hidden, steps):
        super().__init__()
        self.steps = nn.ModuleList(make_step(channels, features, hidden) for _ in range(steps))
        kept = 0 if last else channels // 2
        self.prior = same(kept + features, 2 * (channels - kept), factor=3)

    def prior_of(self, kept, conditions):
        features = expand(conditions[0], kept.shape[0])
        mean, raw = interleaved(self.prior(torch.cat([kept, features], 1)).float())
        return mean, torch.log(F.softplus(raw))


class CNF(Flow):
    def __init__(self, config):
        super().__init__()
        self.sizes = sizes_of(config)
        count, features = int(config["levels"]), int(config["condition_channels"])
        hidden, segments = int(config["coupling_channels"]), config["kind"] == "segmentation"
        self.features = (VGGFeatures(self.sizes["x"], count, features) if segments
                         else RRDBFeatures(self.sizes["x"], count, features, config))
        c, self.levels = self.sizes["y"][0], nn.ModuleList()
        for l in range(count):
            self.levels.append(CNFLevel(AdditiveStep if segments else CNFStep, 4 * c, l == count - 1,
                                        features, hidden, int(config["steps"])))
            c = 2 * c
        self.dequantises = int(config["dequantiser_steps"]) > 0
        if self.dequantises:
            self.dequantiser = Dequantiser(self.sizes["y"][0], features, hidden,
                                           int(config["dequantiser_steps"]))

    def dequantise(self, y, noise, conditions):
        if not self.dequantises:
            return super().dequantise(y, noise, conditions)
        return self.dequantiser(y, noise, expand(conditions[0][0], y.shape[0]))

    def condition(self, x):
        return [[features] * len(level.steps) for level, features in zip(self.levels, self.features(x))]


# ---- Checkpoints ----

MODELS = {"cglow": CGlow, "cnf": CNF}


def load(path):
    """The model of a checkpoint, with the weights to use it with."""
    tensors, metadata = read_safetensors(path)
    if metadata.get("model") not in MODELS:
        sys.exit(f"pytorch.py: {path}: the model is {metadata.get('model')}, not cglow or cnf")
    model = MODELS[metadata["model"]](metadata)
    averages = {name[len("average."):]: value for name, value in tensors.items()
                if name.startswith("average.")}
    weights = {name: averages.get(name, value) for name, value in tensors.items()
               if not name.startswith(("average.", "adam."))}
    model.load_state_dict(weights)
    model.eval()
    height, width = (max(sizes) for sizes in zip(model.sizes["x"][1:], model.sizes["y"][1:]))
    size = height if height == width else f"{height}x{width}"
    # As in glowbench bench --list, and as bench --checkpoint calls it.
    task = f"{metadata['task_model']}-{metadata['task']}"
    model.name, model.own_name = f"{task}-{size}", f"own-{task}-{height}x{width}"
    return model


def check(model, path):
    """The largest difference from glowbench's log-likelihoods, relative to max(1, bits per dimension)."""
    tensors, _ = read_safetensors(path)
    y = tensors["y"]
    with torch.no_grad():
        log_likelihood = model.log_likelihood(tensors["x"], y, tensors.get("noise"))
    bits, own_bits = (values / (LN2 * y[0].numel()) for values in (tensors["log_likelihood"], log_likelihood))
    return ((own_bits - bits).abs() / bits.abs().clamp(min=1)).max().item()


# ---- Benchmarks ----

class Variant:
    """A way of running PyTorch; its name is the rows' backend."""

    def __init__(self, name, precision="fp32", fused=False, channels_last=False, compiled=False):
        self.name, self.precision = name, precision
        self.fused, self.channels_last, self.compiled = fused, channels_last, compiled

    def missing(self):
        """What this PyTorch lacks for it; None if nothing."""
        version = tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2])
        if self.compiled and not hasattr(torch, "compile"):
            return "torch.compile"
        if self.fused and version < (2, 4):
            return "a fused Adam for CPUs"
        return None

    def prepare(self, model):
        model = copy.deepcopy(model)
        return model.to(memory_format=torch.channels_last) if self.channels_last else model

    def images(self, tensor):
        return tensor.contiguous(memory_format=torch.channels_last) if self.channels_last else tensor

    def compile(self, function):
        return torch.compile(function) if self.compiled else function

    def arithmetic(self):
        return (torch.autocast("cpu", dtype=torch.bfloat16) if self.precision == "bf16"
                else contextlib.nullcontext())


VARIANTS = [Variant("pytorch-eager"),
            Variant("pytorch-fused-adam", fused=True),
            Variant("pytorch-channels-last", fused=True, channels_last=True),
            Variant("pytorch-compiled", fused=True, channels_last=True, compiled=True),
            Variant("pytorch-bf16", "bf16", fused=True, channels_last=True)]


def training_step(model, variant, batch):
    """A function that runs one step: conditioning, likelihood, gradients, Adam."""
    model = variant.prepare(model).train()
    x = variant.images(torch.rand(batch, *model.sizes["x"]))
    y = variant.images(torch.rand(batch, *model.sizes["y"]) - 0.5)
    noise = None
    if model.dequantises:
        y, noise = (y > 0).float(), variant.images(torch.randn(y.shape))
    options = {"fused": True} if variant.fused else {}
    # A rate that moves weights, but no further than a model without data can stand.
    adam = torch.optim.Adam(model.parameters(), lr=1e-6, **options)
    log_likelihood = variant.compile(model.log_likelihood)

    def step():
        adam.zero_grad(set_to_none=True)
        with variant.arithmetic():
            loss = -log_likelihood(x, y, noise).mean()
        loss.backward()
        adam.step()
        return loss.item()

    return step


def sampling(model, variant, batch):
    """A function that draws `batch` samples for one image."""
    model = variant.prepare(model)
    x = variant.images(torch.rand(1, *model.sizes["x"]))
    noise = [variant.images(torch.randn(shape)) for shape in model.latent_shapes(batch)]
    draw = variant.compile(model.sample)

    def sample():
        with torch.no_grad(), variant.arithmetic():
            return draw(x, noise).sum().item()

    return sample


def time_it(run, repetitions):
    for _ in range(2):  # the first compiles
        if not math.isfinite(run()):
            return None
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return seconds


def quantile(values, q):
    values = sorted(values)
    at = q * (len(values) - 1)
    low = math.floor(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (at - low) * (values[high] - values[low])


def row_of(native, variant, seconds):
    """The row of a benchmark from one of glowbench's own of the same benchmark, machine and peaks."""
    row = copy.deepcopy(native)
    median = quantile(seconds, 0.5)
    ideal = native["share_of_peak"] * native["median_seconds"]
    row.update(backend=variant.name, library=f"PyTorch {torch.__version__}", borrowers=[],
               seconds=seconds, median_seconds=median,
               spread=(quantile(seconds, 0.75) - quantile(seconds, 0.25)) / median,
               gflops=native["flops"] / median * 1e-9, gbs=native["bytes"] / median * 1e-9,
               share_of_peak=ideal / median, reorder_seconds=None, error=None, cpus=[],
               load_average=os.getloadavg()[0],
               finished=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
    if "algorithm" in row:
        row["algorithm"] = ""
    for key in ("voluntary_switches", "involuntary_switches", "migrations", "page_faults",
                "aslr", "huge_page_bytes"):
        row.pop(key, None)
    return row


def native_rows(path, model, precision):
    """The native rows of a model's steps and samples, one of each benchmark and thread count."""
    found = {}
    suffix = "" if precision == "fp32" else "_bf16"
    names = f"{re.escape(model.name)}|{re.escape(model.own_name)}"
    pattern = re.compile(rf"(step/train|sample/inverse)/(?:{names})[bs](\d+){suffix}$")
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            match = pattern.match(row["problem"])
            if match and not row["library"] and row["backend"] != "scalar" and not row["error"]:
                found[row["problem"], row["threads"]] = (row, match[1], int(match[2]))
    return [found[key] for key in sorted(found)]


def benchmark(model, arguments):
    rows = []
    for variant in VARIANTS:
        missing = variant.missing()
        if variant.name not in arguments.variants:
            continue
        if missing:
            print(f"{variant.name}: left out, PyTorch {torch.__version__} lacks {missing}")
            continue
        for native, kind, batch in native_rows(arguments.rows, model, variant.precision):
            torch.set_num_threads(native["threads"])
            make = training_step if kind == "step/train" else sampling
            seconds = time_it(make(model, variant, batch), arguments.reps)
            if seconds is None:
                print(f"{variant.name}: {native['problem']}: not finite, left out")
                continue
            row = row_of(native, variant, seconds)
            rows.append(row)
            ratio = row["median_seconds"] / native["median_seconds"]
            print(f"{native['problem']}, {native['threads']} threads: {variant.name} "
                  f"{row['median_seconds'] * 1e3:.1f} ms, {ratio:.2f} times {native['backend']}'s "
                  f"{native['median_seconds'] * 1e3:.1f} ms", flush=True)
    if not rows:
        sys.exit(f"pytorch.py: {arguments.rows} has no native row of {model.name}: run glowbench bench --kind "
                 f"steps,samples --checkpoint {arguments.checkpoint} --json {arguments.rows}")
    with open(arguments.rows, "a", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--check", metavar="FILE", required=True, help="tensors by glowbench eval --tensors")
    parser.add_argument("--rows", metavar="FILE", help="rows of its steps and samples, to append to")
    parser.add_argument("--reps", type=int, default=9, help="repetitions (default: 9)")
    parser.add_argument("--variants", default=",".join(variant.name for variant in VARIANTS),
                        help="comma-separated (default: %(default)s)")
    arguments = parser.parse_args()
    arguments.variants = arguments.variants.split(",")
    unknown = set(arguments.variants) - {variant.name for variant in VARIANTS}
    if unknown:
        parser.error(f"unknown variants: {', '.join(sorted(unknown))}")
    torch.manual_seed(0)
    model = load(arguments.checkpoint)
    error = check(model, arguments.check)
    print(f"largest difference: {error:.1e} bits per dimension, relative above 1 "
          f"(tolerance {TOLERANCE:.0e})")
    if not error <= TOLERANCE:
        sys.exit(1)
    if arguments.rows:
        benchmark(model, arguments)


if __name__ == "__main__":
    main()

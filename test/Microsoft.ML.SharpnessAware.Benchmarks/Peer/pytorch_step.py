"""SAM steps in PyTorch, as most people run it: a process that trains on one mini-batch and makes as many steps as each line says.

Usage: pytorch_step.py ARCHITECTURE BATCH CHANNELS HEIGHT WIDTH THREADS plain|channels_last|compiled [DEVICE]
"""
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F


class PaddedShortcut(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.padding = (0, 0, 0, 0, channels // 2, channels // 2)

    def forward(self, x):
        return F.pad(x[:, :, ::2, ::2], self.padding)


def projection(inputs, channels, stride):
    return nn.Sequential(nn.Conv2d(inputs, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))


class BasicBlock(nn.Module):
    def __init__(self, inputs, channels, stride, shortcut):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Identity() if stride == 1 else shortcut

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class CifarResNet(nn.Module):
    def __init__(self, depth, channels, classes):
        super().__init__()
        blocks = (depth - 2) // 6
        layers, inputs = [], 16
        for stage, width in enumerate((16, 32, 64)):
            for block in range(blocks):
                layers.append(BasicBlock(inputs, width, 2 if stage > 0 and block == 0 else 1, PaddedShortcut(inputs)))
                inputs = width
        self.conv1 = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.blocks = nn.Sequential(*layers)
        self.fc = nn.Linear(64, classes)

    def forward(self, x):
        x = self.blocks(F.relu(self.bn1(self.conv1(x))))
        return self.fc(x.mean((2, 3)))


class ResNet18(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        layers, inputs = [], 64
        for stage, width in enumerate((64, 128, 256, 512)):
            for block in range(2):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(BasicBlock(inputs, width, stride, projection(inputs, width, stride)))
                inputs = width
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layers = nn.Sequential(*layers)
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        return self.fc(self.layers(x).mean((2, 3)))


def attend(q, k, v):
    if hasattr(F, "scaled_dot_product_attention"):      # since PyTorch 2.0
        return F.scaled_dot_product_attention(q, k, v)
    return (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1) @ v


class TransformerBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x):
        n, t, w = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        x = x + self.proj(attend(q, k, v).transpose(1, 2).reshape(n, t, w))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class VisionTransformer(nn.Module):
    def __init__(self, width, heads, channels, height, width_in_pixels, classes, depth=12):
        super().__init__()
        patch = 16 if min(height, width_in_pixels) >= 112 else 4
        self.proj = nn.Conv2d(channels, width, patch, patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.pos = nn.Parameter(torch.randn(1, 1 + (height // patch) * (width_in_pixels // patch), width) * 0.02)
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        x = self.proj(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.cls.expand(len(x), -1, -1), x), 1) + self.pos
        return self.head(self.norm(self.blocks(x))[:, 0])


class Sam(torch.optim.Optimizer):
    """Sharpness-aware minimisation, a parameter at a time (Foret et al. 2021, algorithm 1)."""

    def __init__(self, parameters, base, rho=0.05, **settings):
        super().__init__(parameters, dict(rho=rho, **settings))
        self.base = base(self.param_groups, **settings)
        self.param_groups = self.base.param_groups

    @torch.no_grad()
    def climb(self):
        parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.norm(torch.stack([p.grad.norm() for p in parameters]))
        scale = self.param_groups[0]["rho"] / (norm + 1e-12)        # stays on the device
        for p in parameters:
            self.state[p]["before"] = p.data.clone()
            p.addcmul_(p.grad, scale)
        self.zero_grad()

    @torch.no_grad()
    def descend(self):
        for group in self.param_groups:
            for p in group["params"]:
                p.data = self.state[p]["before"]
        self.base.step()
        self.zero_grad()


def create(name, channels, height, width):
    if name == "resnet18":
        return ResNet18(channels, 10)
    if name.startswith("resnet"):
        return CifarResNet(int(name[6:]), channels, 10)
    size, heads = {"vit_tiny": (192, 3), "vit_small": (384, 6)}[name]
    return VisionTransformer(size, heads, channels, height, width, 10)


def main():
    name, batch, channels, height, width, threads, variant, *device = sys.argv[1:]
    batch, channels, height, width = map(int, (batch, channels, height, width))
    device = torch.device(device[0] if device else "cpu")
    torch.set_num_threads(int(threads))
    torch.manual_seed(1)
    network = create(name, channels, height, width).to(device)
    images = torch.randn(batch, channels, height, width, device=device)
    labels = torch.randint(10, (batch,), device=device)
    if variant == "channels_last":
        network = network.to(memory_format=torch.channels_last)
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = Sam(network.parameters(), torch.optim.SGD, lr=0.01, momentum=0.9, weight_decay=5e-4)
    print(torch.__version__, torch.get_num_threads(), sum(p.numel() for p in network.parameters()), flush=True)
    if variant == "compiled":
        network = torch.compile(network)

    for line in sys.stdin:
        for _ in range(int(line)):
            F.cross_entropy(network(images), labels).backward()
            optimizer.climb()
            F.cross_entropy(network(images), labels).backward()
            optimizer.descend()
        if device.type == "cuda":
            torch.cuda.synchronize()
        print("done", flush=True)


if __name__ == "__main__":
    main()

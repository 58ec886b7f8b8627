"""Trains ResNet-8 in PyTorch by SGD or SAM, and says how long that took and how good the network is on held-out images.

Usage: pytorch_train.py sgd|sam FOLDER EPOCHS TRAINING VALIDATION THREADS SEED
Prints: version, seconds, accuracy, log loss, log loss with a temperature fitted on the validation images.
"""
import gzip
import math
import pathlib
import sys
import time

import torch
import torch.nn.functional as F

from pytorch_step import CifarResNet, Sam

BATCH, RATE, WARM_UP = 128, 0.1, 0.05


def idx(folder, start):
    path = next(path for path in pathlib.Path(folder).iterdir() if path.name.startswith(start))
    data = bytearray(gzip.open(path).read())
    dimensions = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(data[3])]
    return torch.frombuffer(data, dtype=torch.uint8, offset=4 + 4 * len(dimensions)).view(*dimensions)


def log_loss(logits, labels, beta=1.0):
    return F.cross_entropy(logits * beta, labels).item()


def rate(step, steps):
    """A warm-up over a twentieth of the steps, then a cosine to zero, as ours."""
    warm_up = round(WARM_UP * steps)
    if step < warm_up:
        return RATE * (step + 1) / (warm_up + 1)
    return RATE * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))


def best_beta(logits, labels):
    low, high = 0.05, 5.0
    for _ in range(60):                     # the log loss is convex in 1 / temperature
        third = (high - low) / 3
        if log_loss(logits, labels, low + third) < log_loss(logits, labels, high - third):
            high -= third
        else:
            low += third
    return (low + high) / 2


def main():
    method, folder, epochs, training, validation, threads, seed = sys.argv[1:]
    epochs, training, validation = int(epochs), int(training), int(validation)
    torch.set_num_threads(int(threads))
    torch.manual_seed(int(seed))
    images, labels = idx(folder, "train-images"), idx(folder, "train-labels").long()
    test, answers = idx(folder, "t10k-images"), idx(folder, "t10k-labels").long()

    start = time.perf_counter()
    pixels = images[:training].float()
    mean, deviation = pixels.mean(), pixels.std()

    def normalised(part):
        return ((part.float() - mean) / deviation).unsqueeze(1).contiguous(memory_format=torch.channels_last)

    x, y = normalised(images[:training]), labels[:training]
    network = CifarResNet(8, 1, 10).to(memory_format=torch.channels_last)
    settings = dict(lr=RATE, momentum=0.9, weight_decay=5e-4)
    optimizer = Sam(network.parameters(), torch.optim.SGD, **settings) if method == "sam" else torch.optim.SGD(network.parameters(), **settings)
    batches = math.ceil(training / BATCH)
    step = 0
    for _ in range(epochs):
        for rows in torch.randperm(training).split(BATCH):
            for group in optimizer.param_groups:
                group["lr"] = rate(step, epochs * batches)
            step += 1
            F.cross_entropy(network(x[rows]), y[rows]).backward()
            if method == "sam":
                optimizer.climb()
                F.cross_entropy(network(x[rows]), y[rows]).backward()
                optimizer.descend()
            else:
                optimizer.step()
                optimizer.zero_grad()
    network.eval()
    with torch.no_grad():
        held = network(normalised(images[training:training + validation]))
        beta = best_beta(held, labels[training:training + validation])
        seconds = time.perf_counter() - start
        logits = network(normalised(test))
    accuracy = (logits.argmax(1) == answers).float().mean().item()
    print(torch.__version__, seconds, accuracy, log_loss(logits, answers), log_loss(logits, answers, beta), flush=True)


if __name__ == "__main__":
    main()

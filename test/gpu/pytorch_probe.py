"""Says where PyTorch is and what it is: a key and a value a line, or the key problem."""
import os
import sys


def main():
    try:
        import torch
    except Exception as problem:
        print("problem", " ".join(str(problem).split()))
        return
    print("python", sys.executable)
    print("version", torch.__version__)
    print("cuda", torch.version.cuda or "")
    print("folder", os.path.join(os.path.dirname(os.path.abspath(torch.__file__)), "lib"))
    if torch.cuda.is_available():
        print("device", torch.cuda.get_device_name(0))


if __name__ == "__main__":
    main()

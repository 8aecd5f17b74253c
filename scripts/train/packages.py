"""What the scripts of this folder need, and how to install it."""

import importlib.util

# Module to import: what installs it with pip, and on Debian, which does not package safetensors.
PACKAGES = {
    "numpy": ("numpy", "python3-numpy"),
    "sklearn": ("scikit-learn", "python3-sklearn"),
    "torch": ("torch", "python3-torch"),
    "safetensors": ("safetensors", None),
    "onnx": ("onnx", "python3-onnx"),
    "ray": ("'ray[tune]'", None),
}


def missing(*modules):
    """Those of the modules that cannot be imported."""
    return [module for module in modules if importlib.util.find_spec(module) is None]


def how_to_install(modules):
    """For people: commands that install what is missing."""
    pip = " ".join(PACKAGES[module][0] for module in modules)
    text = f"missing Python packages: {pip}\n  pip install {pip}"
    apt = " ".join(PACKAGES[module][1] for module in modules if PACKAGES[module][1])
    if apt:
        text += f"\non Debian also:\n  apt-get install {apt}"
    return text

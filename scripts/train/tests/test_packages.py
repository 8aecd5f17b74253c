"""What is said where packages are missing."""

import packages


def test_what_is_missing_is_named_with_how_to_install_it(monkeypatch):
    found = {"numpy"}
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda name: name in found or None)
    assert packages.missing("numpy", "torch", "safetensors") == ["torch", "safetensors"]
    text = packages.how_to_install(["torch", "safetensors"])
    assert "pip install torch safetensors" in text
    assert text.endswith("apt-get install python3-torch")
    assert "apt-get" not in packages.how_to_install(["safetensors"])

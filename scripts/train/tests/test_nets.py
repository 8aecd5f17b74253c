"""Nets in PyTorch: what is written of them is what they compute."""

import csv

import pytest
import torch
from torch import nn

import nets
import train_digits
import xonn

SHAPE = (1, 28, 28)


def normed(net):
    """The net, with batch norms that do something."""
    torch.manual_seed(1)
    for module in net.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for tensor in (module.weight, module.bias, module.running_mean):
                nn.init.uniform_(tensor, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return net.eval()


@pytest.mark.parametrize("name", ["squeezenet", "minionn-mnist", "secureml", "cryptonets"])
def test_folded_batch_norm_computes_the_same(name):
    plan = nets.published(name, "orig", 1)
    trained = normed(nets.build(name, plan, SHAPE, 10, training=True))
    written = nets.build(name, plan, SHAPE, 10)
    written.load_state_dict(nets.inference_state(trained))
    x = torch.rand(2, *SHAPE)
    with torch.no_grad():
        expected, logits = trained(x), written.eval()(x)
    assert logits.shape == (2, 10)
    assert torch.allclose(logits, expected, atol=1e-3 * float(expected.abs().max()))


@pytest.mark.parametrize("name", xonn.NAMES)
def test_binary_nets_are_written_with_signs(name):
    shape = (30, 1, 1) if name == "xonn-cancer" else SHAPE
    net = normed(nets.build(name, nets.Plan(), shape, 10, training=True))
    state = nets.inference_state(net)
    for layer, _ in xonn.binary_layers(net):
        assert set(state[f"{layer}.weight"].unique().tolist()) <= {-1.0, 1.0}
    written = nets.build(name, nets.Plan(), shape, 10)
    written.load_state_dict(state, strict=False)
    x = torch.rand(2, *shape)
    assert torch.allclose(written.eval()(x), net(x), atol=1e-4)


def test_published_plans_keep_what_they_say():
    for name in nets.PLANS:
        plan = nets.published("squeezenet", name, 3)
        assert plan.double == name.endswith("double")
    assert nets.published("mobilenet-v2", "orig", 3).kind is nn.ReLU6
    ours = nets.published("squeezenet", "ours", 1)
    assert (ours.first, ours.second, ours.pool) == (0.25, 0, nn.AvgPool2d)
    assert nets.published("squeezenet", "ours", 3).second == 0.5
    assert nets.published("squeezenet", "0.5-1-double", 3).widths == (1, 2)
    assert nets.published("squeezenet", "0.5-2-double", 3).widths == (2, 1)


def test_a_partial_activation_is_that_of_the_first_channels():
    x = torch.tensor([-1.0, -2.0, -3.0]).reshape(1, 3, 1, 1)
    out = nets.activation(nn.ReLU, 0.5, 3)(x).flatten().tolist()
    assert out == [0.0, 0.0, -3.0]
    assert isinstance(nets.activation(nn.ReLU, 0, 3), nn.Identity)


def test_signs_pass_gradients_on_within_one():
    x = torch.tensor([-2.0, -0.5, 0.0, 3.0], requires_grad=True)
    out = xonn.Sign()(x)
    assert out.tolist() == [-1.0, -1.0, 1.0, 1.0]
    out.sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 0.0]


def test_the_digits_net_gives_the_committed_logits():
    folder = train_digits.DATA
    net = train_digits.load(folder / "digits-cnn.safetensors")
    images, labels = train_digits.split(folder, "test")
    with (folder / "expected-logits.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with torch.no_grad():
        logits = net(images[: len(rows)])
    for row, label, values in zip(rows, labels.tolist(), logits):
        assert int(row.pop("label")) == label
        expected = torch.tensor([float(value) for value in row.values()])
        assert torch.allclose(values, expected, atol=1e-4)

"""Spaces, exchanges and scores: without Ray, in seconds."""

import random
import unittest

import torch

import planner  # noqa: F401, for its path
from planner import network, scores
from planner.exchange import Exchange
from planner.network import Network
from planner.space import Plan, Site, Space, importance, ranges

SITES = [Site("a_act", "relu", 4, 16, "a", 4), Site("b_act", "relu6", 8, 4, "b", 6)]
WEIGHTS = {
    "a.weight": torch.tensor([[3.0], [1.0], [-2.0], [0.5]]),
    "b.weight": torch.arange(8.0).reshape(8, 1),
}


def space():
    return Space(SITES, ["pool"], importance(SITES, WEIGHTS))


def conv(name, channels, inputs, kernel, **other):
    padding = dict.fromkeys(("top", "left", "bottom", "right"), kernel // 2)
    fields = {"out_channels": channels, "kernel": [kernel, kernel], "stride": [1, 1], "groups": 1}
    fields |= {"dilation": [1, 1], "padding": padding, "bias": True}
    return {"name": name, "op": {"conv": fields}, "inputs": inputs, **other}


def activation(name, inputs):
    return {"name": name, "op": {"activation": {"kind": "relu", "ratio": 1.0}}, "inputs": inputs}


def small_net():
    """Two convolutions, a max pool, and an average at the end."""
    none = dict.fromkeys(("top", "left", "bottom", "right"), 0)
    pool = {"max-pool": {"size": [2, 2], "stride": [2, 2], "padding": none}}
    nodes = [{"name": "input", "op": "input", "inputs": []}]
    nodes += [
        conv("a", 4, [0], 3),
        activation("a_act", [1]),
        {"name": "pool", "op": pool, "inputs": [2]},
    ]
    nodes += [
        conv("b", 8, [3], 3),
        activation("b_act", [4]),
        {"name": "out", "op": "global-avg-pool", "inputs": [5]},
    ]
    torch.manual_seed(1)
    weights = {"a.weight": torch.randn(4, 1, 3, 3), "a.bias": torch.randn(4)}
    weights |= {"b.weight": torch.randn(8, 4, 3, 3) / 4, "b.bias": torch.randn(8)}
    sites = [Site("a_act", "relu", 4, 64, "a"), Site("b_act", "relu", 8, 16, "b")]
    return {"nodes": nodes, "output": 6}, weights, sites


class Spaces(unittest.TestCase):
    def test_the_least_important_channels_are_exchanged_first(self):
        genes = space().own()
        genes["sites"]["a_act"] = {"share": 0.5, "kind": "polynomial-2"}
        plan = space().plan(genes)
        self.assertEqual(plan.kinds["a_act"], ["relu", "polynomial-2", "relu", "polynomial-2"])
        file = {"activations": {"a_act": {"polynomial-2": "1,3"}}, "pools": {}}
        self.assertEqual(plan.file(SITES), file)

    def test_channels_without_activation_stay_so(self):
        plan = space().plan(space().uniform("polynomial-3"))
        self.assertEqual(plan.kinds["b_act"], ["polynomial-3"] * 6 + ["none"] * 2)
        self.assertEqual(plan.file(SITES)["activations"]["b_act"], {"polynomial-3": "0-5"})
        self.assertEqual(plan.file(SITES)["pools"], {"pool": "avg"})

    def test_relu6_becomes_relu(self):
        plan = space().plan(space().own() | {"plain": 1.0})
        self.assertEqual(plan.file(SITES), {"activations": {"b_act": {"relu": "0-5"}}, "pools": {}})

    def test_the_own_plan_changes_nothing(self):
        self.assertEqual(space().plan(space().own()).file(SITES), {"activations": {}, "pools": {}})

    def test_mutations_stay_in_the_space(self):
        draw = random.Random(1)
        genes = space().own()
        for _ in range(200):
            genes = space().mutated(genes, draw)
            self.assertTrue(all(0 <= share <= 1 for share in space().shares(genes)))
            space().plan(genes)

    def test_layers_are_exchanged_whole(self):
        genes = space().drawn(random.Random(1), True)
        for factor in (0.5, 1, 2, 100):
            scaled = space().scaled(genes, factor, True)
            self.assertTrue({gene["share"] for gene in scaled["sites"].values()} <= {0.0, 1.0})
        self.assertEqual(space().layers(scaled), 1)

    def test_children_of_the_tree_replace_at_least_what_their_parent_did(self):
        draw = random.Random(1)
        for least in (0, 40, 96):
            groups = [["a_act", "pool"], ["b_act"]]
            genes = space().regrouped(space().own(), draw, groups, least)
            names = ["a_act", "b_act"]
            most = space().replaced(space().uniform("none"), names)
            self.assertTrue(space().replaced(genes, names) >= min(least, 0.8 * most))

    def test_ranges(self):
        self.assertEqual(ranges([0, 1, 2, 5, 7, 8]), "0-2,5,7-8")


class Scores(unittest.TestCase):
    def test_they_grow_with_what_is_exchanged(self):
        self.assertEqual(scores.delphi(0.9, {"exchanged": 0.5}), 0.9 * 1.5)
        self.assertEqual(scores.safenet(0.9, {"saved": 0.25}), 0.9 * 1.25)

    def test_relu_is_no_exchange(self):
        def count(genes):
            return scores.exchanged(space().plan(genes), SITES)

        self.assertEqual(count(space().own() | {"plain": 1.0}), 0)
        self.assertEqual(count(space().uniform("none")), 1)
        half = space().own()
        half["sites"]["a_act"]["share"] = 0.5
        self.assertEqual(count(half), 2 * 16 / (4 * 16 + 6 * 4))


class Exchanges(unittest.TestCase):
    def test_an_activation_without_exchange(self):
        x = torch.randn(2, 3, 4, 4) * 10
        out = Exchange(["relu", "relu6", "none"])(x)
        self.assertTrue(torch.equal(out[:, 0], x[:, 0].relu()))
        self.assertTrue(torch.equal(out[:, 1], x[:, 1].clamp(0, 6)))
        self.assertTrue(torch.equal(out[:, 2], x[:, 2]))

    def test_tensors_compute_what_the_module_computes(self):
        torch.manual_seed(1)
        site = Exchange(["relu"] * 5)
        kinds = ["polynomial-3", "relu", "polynomial-2", "none", "polynomial-0"]
        site.exchange(kinds)
        x = torch.randn(8, 5, 6, 6) * 3 + 1
        site(x)
        site.eval()
        out, tensors = site(x), site.tensors()
        self.assertEqual(tensors["weight"].shape, (3, 3))
        self.assertEqual(tensors["weight"][1, 2], 0)
        self.assertEqual(tensors["weight"][2].abs().sum(), 0)
        for row, channel in enumerate((0, 2, 4)):
            powers = torch.stack([x[:, channel].double() ** power for power in (1, 2, 3)])
            expected = torch.tensordot(tensors["weight"][row], powers, 1) + tensors["bias"][row]
            self.assertTrue(torch.allclose(out[:, channel].double(), expected, atol=1e-4))
        self.assertTrue(torch.equal(out[:, 3], x[:, 3]))

    def test_polynomials_begin_near_the_activation(self):
        torch.manual_seed(1)
        x = torch.randn(8, 2, 16, 16)
        for degree, error in ((2, 0.2), (3, 0.2)):
            site = Exchange(["relu", "relu"])
            site.exchange([f"polynomial-{degree}"] * 2)
            self.assertLess((site(x) - x.relu()).abs().mean(), error)

    def test_exchanges_are_gradual(self):
        x = torch.randn(4, 1, 8, 8)
        site = Exchange(["relu"])
        site.exchange(["none"])
        self.assertTrue(torch.equal(site(x), x))
        for weight in (0.0, 0.25, 1.0):
            site.advance(weight)
            expected = (1 - weight) * x.clamp(0, 6) + weight * x
            self.assertTrue(torch.allclose(site(x), expected, atol=1e-6))
        # What has been exchanged stays so.
        site.advance(0.0)
        self.assertTrue(torch.equal(site(x), x))

    def test_values_beyond_the_activation_count_in_training(self):
        site = Exchange(["relu"])
        site.exchange(["polynomial-2"])
        site(torch.randn(4, 1, 8, 8))
        far = torch.full((1, 1, 1, 1), 100.0)
        self.assertEqual(site(far), site.limit)
        self.assertGreater(site.excess, 1)
        site.eval()
        self.assertGreater(site(far), site.limit)


class Networks(unittest.TestCase):
    def test_batch_norm_comes_and_goes_without_a_trace(self):
        graph, weights, sites = small_net()
        net = Network(graph, weights, sites)
        x = torch.rand(64, 1, 8, 8)
        before = net.evaluate(x)
        net.calibrate(x)
        self.assertTrue(torch.allclose(net.evaluate(x), before, atol=1e-5))
        for name, tensor in net.tensors().items():
            self.assertTrue(torch.allclose(tensor, weights[name], atol=1e-5), name)

    def test_a_plan_is_written_with_the_tensors_that_it_needs(self):
        graph, weights, sites = small_net()
        net = Network(graph, weights, sites)
        x = torch.rand(64, 1, 8, 8)
        net.calibrate(x)
        kinds = {"a_act": ["relu", "polynomial-2"] * 2, "b_act": ["none"] * 8}
        net.exchange(Plan(kinds, {"pool": "avg"}), x)
        tensors = net.tensors()
        self.assertEqual(tensors.keys() - weights.keys(), {"a_act.weight", "a_act.bias"})
        self.assertEqual(tensors["a_act.weight"].shape, (2, 2))
        again = Network(graph, weights, sites)
        again.load_state_dict(net.state_dict())
        again.pools["pool"].average = True
        self.assertTrue(torch.equal(again.evaluate(x), net.evaluate(x)))

    def test_own_batch_norm_is_kept(self):
        node = conv("c", 4, [0], 1, batch_norm="c_bn")
        node["op"]["conv"]["bias"] = False
        weights = {"c.weight": torch.randn(4, 1, 1, 1)}
        weights |= {f"c_bn.{suffix}": torch.rand(4) + 0.5 for suffix in network.NORM}
        graph = {"nodes": [{"name": "input", "op": "input", "inputs": []}, node], "output": 1}
        tensors = Network(graph, weights, []).tensors()
        self.assertEqual(tensors.keys(), weights.keys())
        self.assertTrue(all(torch.equal(tensors[name], weights[name]) for name in weights))

    def test_what_cannot_be_trained_is_named(self):
        node = activation("s", [0])
        node["op"]["activation"]["kind"] = "sign"
        graph = {"nodes": [{"name": "input", "op": "input", "inputs": []}, node], "output": 1}
        with self.assertRaisesRegex(ValueError, "s: `sign`"):
            Network(graph, {}, [])

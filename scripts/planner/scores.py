"""How good a plan is: accuracy, and more of it the more is exchanged.

Delphi counts activations (section 5.1); SAFENet weighs each by the share of its cost that is saved
(equation 4), which here is the ledger's for the whole plan.
"""


def delphi(accuracy, costs):
    """acc (1 + exchanged activations / all activations)."""
    return accuracy * (1 + costs["exchanged"])


def safenet(accuracy, costs):
    """acc (1 + cost saved / cost of all that can be saved)."""
    return accuracy * (1 + costs["saved"])


SCORES = {"delphi": delphi, "safenet": safenet}


def exchanged(plan, sites):
    """The share of the activations that a plan exchanges."""
    before = after = 0
    for site in sites:
        for own, kind in zip(site.kinds, plan.kinds[site.name]):
            before += site.values * (own != "none")
            after += site.values * (own != "none" and kind in ("relu", "relu6"))
    return 1 - after / before if before else 0.0

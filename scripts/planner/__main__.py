"""`python3 -m planner`, which `tercet plan` starts and speaks with over stdin and stdout."""

import sys

import packages

MISSING = packages.missing("numpy", "torch", "safetensors", "ray")
if MISSING:
    sys.exit(packages.how_to_install(MISSING))

from safetensors import torch as safetensors

from .link import Closed, Link
from .population import connect
from .search import Failed, Search
from .space import Site


def main():
    link = Link()
    try:
        start = link.receive("start")
        start["sites"] = [Site(**site) for site in start["sites"]]
        weights = safetensors.load_file(start["weights"])
        connect(start["workers"])
        Search(link, start, weights).everything()
        link.send("done")
    except Closed as error:
        sys.exit(f"planner: tercet is gone: {error}")
    except Failed as error:
        sys.exit(f"planner: {error}")


if __name__ == "__main__":
    main()

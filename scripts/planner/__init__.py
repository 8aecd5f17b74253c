"""The search for activation plans; `tercet plan` runs it as `python3 -m planner`."""

import sys
from pathlib import Path

# The data sets, the folding of batch norm and more are shared with the scripts that train.
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "train"))

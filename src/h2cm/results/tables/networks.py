"""The guided networks (Table 2 of the paper), from the rows that the run's model is built from."""

from pathlib import Path

import pandas as pd

from h2cm.config import Config
from h2cm.model.networks import GUIDANCES, HIDDEN, WIDTHS

KINDS = {
    "fcnn": f"fully connected, {' and '.join(map(str, WIDTHS))} hidden units",
    "lstm": f"LSTM, {HIDDEN} units",
}


def make(folder: Path, config: Config) -> pd.DataFrame:
    """Columns: network, parameters, inputs, kind, role."""
    return pd.DataFrame(
        {
            "network": network.name,
            "parameters": ", ".join(network.outputs),
            "inputs": ", ".join(network.inputs),
            "kind": KINDS[network.kind],
            "role": network.role,
        }
        for network in GUIDANCES[config.model.variant].rows.values()
    )

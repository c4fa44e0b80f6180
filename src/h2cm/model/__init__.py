"""The models: guided networks and process equations with the backends that step them through time; competitors."""

from h2cm.model.h2cm import H2CM, OUTPUTS, PARAMETERS
from h2cm.model.interface import DailyModel
from h2cm.model.lstm import DailyLSTM
from h2cm.model.networks import GUIDANCES, HIDDEN, NETWORKS
from h2cm.model.process import CONSTANTS, FORCING, State
from h2cm.model.process_only import ProcessOnly

__all__ = [
    "CONSTANTS",
    "FORCING",
    "GUIDANCES",
    "H2CM",
    "NETWORKS",
    "OUTPUTS",
    "PARAMETERS",
    "DailyLSTM",
    "DailyModel",
    "ProcessOnly",
    "State",
    "build_model",
]


def build_model(
    kind: str,
    n_static: int,
    learned: tuple[str, ...] = (),
    backend: str = "auto",
    precision: str = "float32",
    variant: str = "published",
    units: int = HIDDEN,
) -> DailyModel:
    """An untrained model of a kind of `h2cm.models.MODELS` that is stepped through days.

    Parameters
    ----------
    learned : tuple of str
        The outputs of a model without equations (`h2cm.models.learned`).
    variant : str
        The networks of H2CM: a key of `h2cm.model.networks.GUIDANCES`. Other models have none.
    units : int
        Of each LSTM of H2CM (see there).
    """
    if kind == "lstm":
        return DailyLSTM(n_static, learned)
    if kind == "process_only":
        return ProcessOnly(n_static, backend, precision)
    return H2CM(n_static, backend, precision, GUIDANCES[variant], units)

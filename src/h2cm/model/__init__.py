"""The model: guided networks, process equations and the backends that step them through time."""

from h2cm.model.h2cm import CONSTANTS, FORCING, H2CM, OUTPUTS, PARAMETERS, State
from h2cm.model.networks import NETWORKS

__all__ = ["CONSTANTS", "FORCING", "H2CM", "NETWORKS", "OUTPUTS", "PARAMETERS", "State"]

"""The model: guided networks, process equations and the backends that step them through time."""

from h2cm.model.h2cm import H2CM, OUTPUTS, PARAMETERS
from h2cm.model.networks import NETWORKS
from h2cm.model.process import CONSTANTS, FORCING, State

__all__ = ["CONSTANTS", "FORCING", "H2CM", "NETWORKS", "OUTPUTS", "PARAMETERS", "State"]

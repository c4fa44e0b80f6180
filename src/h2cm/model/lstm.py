"""The competitor without equations: one LSTM from the forcing and the static attributes to all that is observed."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from h2cm.model.interface import DailyModel
from h2cm.model.process import FORCING
from h2cm.models import complete, with_definitions

HIDDEN = 100
"""Units; as many as each of the three LSTMs of H2CM has."""

FORGET_BIAS = 3.0
"""Initial bias of the forget gate, so that the model remembers snow and groundwater from the start (Gers et al., 2000,
doi:10.1162/089976600300015015; the value is that of Kratzert et al., 2019, doi:10.5194/hess-23-5089-2019)."""


class DailyLSTM(DailyModel):
    """An LSTM with one linear output for each variable that a constraint compares.

    It gets what H2CM gets: the five forcing variables and all static attributes, standardised; the same spin-up; and
    the gradient goes through the whole record, as there. An output starts at the mean of its target in the training
    cells and is learned in units of its standard deviation. The carbon-use efficiency passes a sigmoid. What follows
    from the outputs by definition (NPP = CUE GPP, TER = NEE + GPP, Rh = NEE + NPP) is given too; nothing closes the
    water balance.

    Parameters
    ----------
    n_static : int
    learned : tuple of str
        The outputs that are learned (`h2cm.models.learned`).
    """

    kind = "lstm"

    def __init__(self, n_static: int, learned: tuple[str, ...]):
        super().__init__(n_static)
        self.learned = tuple(learned)
        self.outputs = with_definitions(learned)
        self.lstm = nn.LSTM(len(FORCING) + n_static, HIDDEN, batch_first=True)
        self.head = nn.Linear(HIDDEN, len(self.learned))
        self.register_buffer("output_mean", torch.zeros(len(self.learned)))
        self.register_buffer("output_std", torch.ones(len(self.learned)))
        with torch.no_grad():
            self.lstm.bias_ih_l0[HIDDEN : 2 * HIDDEN] = FORGET_BIAS

    def set_output_scales(self, scales: Mapping[str, tuple[float, float]]) -> None:
        """See `DailyModel`; an output without a scale is learned as it is."""
        for k, name in enumerate(self.learned):
            if name in scales:
                self.output_mean[k], self.output_std[k] = scales[name]

    def initial_state(self, n_cells: int) -> tuple[Tensor, Tensor]:
        """Hidden state and cell state of 0."""
        zero = self.forcing_mean.new_zeros(1, n_cells, HIDDEN)
        return zero, zero

    def forward(self, forcing: Tensor, static: Tensor, state=None, outputs: tuple[str, ...] | None = None):
        """See `DailyModel.forward`."""
        state = self.initial_state(forcing.shape[0]) if state is None else state
        attributes = (static - self.static_mean) / self.static_std
        seen = (forcing - self.forcing_mean) / self.forcing_std
        seen = torch.cat([seen, attributes[:, None].expand(-1, seen.shape[1], -1)], -1)
        hidden, state = self.lstm(seen, state)
        outputs = self.outputs if outputs is None else outputs
        if not outputs:
            return {}, state
        raw = self.head(hidden)
        series = dict(zip(self.learned, (raw * self.output_std + self.output_mean).unbind(-1), strict=True))
        if "cue" in series:
            series["cue"] = torch.sigmoid(raw[..., self.learned.index("cue")])
        series = complete(series)
        return {name: series[name] for name in outputs}, state

"""What training and prediction ask of a model that is stepped through days."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from h2cm.model.process import FORCING


class DailyModel(nn.Module):
    """A model of daily outputs from daily forcing and static attributes.

    Parameters
    ----------
    n_static : int
        Number of static attributes of a cell.

    Attributes
    ----------
    kind : str
        Key of `h2cm.models.MODELS`.
    outputs : tuple of str
        All daily outputs of the model.
    static_outputs : tuple of str
        The parameters that vary in space only (`static_parameters`).

    Notes
    -----
    Inputs and outputs are in physical units. The mean and standard deviation by which inputs are standardised are
    buffers of the model (`set_normalisation`), so the weights carry them.
    """

    kind: str
    outputs: tuple[str, ...]
    static_outputs: tuple[str, ...] = ()

    def __init__(self, n_static: int):
        super().__init__()
        self.n_static = n_static
        self.register_buffer("forcing_mean", torch.zeros(len(FORCING)))
        self.register_buffer("forcing_std", torch.ones(len(FORCING)))
        self.register_buffer("static_mean", torch.zeros(n_static))
        self.register_buffer("static_std", torch.ones(n_static))

    def set_normalisation(self, forcing_mean, forcing_std, static_mean, static_std) -> None:
        """Set the statistics (of the training cells) by which the inputs are standardised."""
        for name, value in {
            "forcing_mean": forcing_mean,
            "forcing_std": forcing_std,
            "static_mean": static_mean,
            "static_std": static_std,
        }.items():
            buffer = getattr(self, name)
            value = torch.as_tensor(value, dtype=buffer.dtype, device=buffer.device)
            if value.shape != buffer.shape:
                raise ValueError(f"{name}: expected shape {tuple(buffer.shape)}, got {tuple(value.shape)}")
            buffer.copy_(value)

    def set_output_scales(self, scales: Mapping[str, tuple[float, float]]) -> None:
        """Take mean and standard deviation (over the training cells) of what is observed of an output.

        Only models whose outputs are bare numbers need them; equations have units of their own.
        """

    def constants(self) -> dict[str, Tensor]:
        """Global constants by name; none unless the model has equations."""
        return {}

    def undecayed(self) -> list[nn.Parameter]:
        """The trained parameters that are quantities of their own, which no weight decay should pull to 0."""
        return []

    def static_parameters(self, static: Tensor) -> tuple[dict[str, Tensor], Tensor | None]:
        """Parameters that vary in space only, each (cell,), and what the model derives from `static` beside them."""
        return {}, None

    def initial_state(self, n_cells: int):
        """The state from which a spin-up starts."""
        raise NotImplementedError

    def forward(self, forcing: Tensor, static: Tensor, state=None, outputs: tuple[str, ...] | None = None):
        """Run the model through all days of `forcing`.

        Parameters
        ----------
        forcing : Tensor, shape (cell, day, 5)
            In physical units, in the order of `FORCING`.
        static : Tensor, shape (cell, attribute)
            In physical units.
        state : optional
            Where to start from; `initial_state` if not given.
        outputs : tuple of str, optional
            The daily outputs wanted, of `outputs`; all if not given.

        Returns
        -------
        dict of Tensor
            Each output, shape (cell, day).
        state
            At the end of the last day.
        """
        raise NotImplementedError

    @staticmethod
    def simulate_many(models, forcing, static, states, outputs: tuple[str, ...]) -> list:
        """`forward` of several models, each on its own cells."""
        return [m(f, s, state, outputs) for m, f, s, state in zip(models, forcing, static, states, strict=True)]

    def backend_for(self, forcing: Tensor) -> str:
        """Name of what steps the model through the days of `forcing`."""
        return "torch"

    @torch.no_grad()
    def spin_up(self, forcing: Tensor, static: Tensor, passes: int = 1):
        """The state after `passes` runs through the whole record from `initial_state`, without gradient."""
        state = self.initial_state(forcing.shape[0])
        for _ in range(passes):
            _, state = self(forcing, static, state, outputs=())
        return state

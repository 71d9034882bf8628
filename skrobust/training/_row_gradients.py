"""Gradients of single rows: their norms, and weighted sums of them, without storing them all.

One backward pass goes through the outputs of the layers only; what each layer's weights would get
from each row then follows from the layer's inputs and the gradients at its outputs. The same
tensors give the gradient of any weighting of the rows, so that dropping or clipping rows by their
norm needs no second pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from skrobust._validation import warn_caller
from skrobust.networks import NetworkEnsemble, StackedMLP
from skrobust.training import _layer_rules
from skrobust.training._layer_rules import (
    Part,
    Watch,
    find_obstacle,
    layers_of,
    refuse_batch_statistics,
)

__all__ = ["RowGradients", "per_sample_gradient_norms"]

RowLoss = Callable[[Any, Tensor], Tensor]

_AGREES = 5e-3  # of the whole gradient: what rounding explains in a parameter


_Parts = list[tuple[nn.Module, Part]]  # of one network


class RowGradients:
    """Norms and weighted sums of the gradients that single rows give to a network's parameters.

    Parameters
    ----------
    module : NetworkEnsemble or StackedMLP
        The networks.

    Attributes
    ----------
    slow_because : str
        Why rows are differentiated one by one; empty if they are not.

    Raises
    ------
    TypeError
        If the module is neither.
    ValueError
        If a layer's normalisation takes its statistics from the batch: the rows share them, and
        no row has a gradient of its own. Later, if ``torch.func`` cannot differentiate the rows.

    Warns
    -----
    UserWarning
        If a layer is not one of those known here, or parameters are used more than once: the
        rows are then differentiated one by one with ``torch.func``, which is slow.

    Notes
    -----
    Known are linear, convolution, embedding, layer, group, instance and RMS normalisation layers,
    and batch normalisation in evaluation mode. Linear layers use Goodfellow's identity [1]_ where
    each row has one input, and the smaller of a Gram matrix and the gradient itself where it has
    several; convolutions are differentiated with the rows as groups. With the first batch the sum
    over the rows is compared with automatic differentiation. Where rows are differentiated one by
    one, dropout is drawn anew for their norms. No row may change what the network makes of another
    one; that is not checked beyond batch normalisation.

    References
    ----------
    .. [1] Goodfellow, I. Efficient per-example gradient computations. arXiv:1510.01799, 2015.
    """

    def __init__(self, module: nn.Module) -> None:
        if not isinstance(module, (NetworkEnsemble, StackedMLP)):
            raise TypeError(
                "gradients of single rows are those of a NetworkEnsemble or StackedMLP, got a "
                f"{type(module).__name__}"
            )
        self.module = module
        self._is_stacked = isinstance(module, StackedMLP)
        self._networks = [module] if isinstance(module, StackedMLP) else list(module.networks)
        self._parameters = [p for p in module.parameters() if p.requires_grad]
        layers = list(map(layers_of, self._networks))
        self._layers: dict[nn.Module, tuple[str, int]] = {}  # names, and places of their networks
        for k, own in enumerate(layers):
            for name, layer in own.items():
                self._layers[layer] = (name, k)
        self._sources: dict[tuple[int, ...], list[int]] = {}  # by the layers called, in order
        self._checked = False
        self._parts: list[_Parts] = []
        self._batch: Any = None
        for network in self._networks:
            refuse_batch_statistics(network)
        self.slow_because = find_obstacle(layers, self._is_stacked)
        if self.slow_because:
            self._warn()

    def forward(self, x: Tensor, target: Tensor, loss: RowLoss) -> tuple[Tensor, Tensor]:
        """Run the networks, and prepare the gradients of the rows.

        Parameters
        ----------
        x : Tensor of shape (n_networks, n_rows, ...)
            Inputs.
        target : Tensor of shape (n_rows, ...), or (n_networks, n_rows, ...)
            Targets.
        loss : callable ``(output, target) -> Tensor (n_networks, n_rows)``
            The loss that is differentiated.

        Returns
        -------
        output : Tensor of shape (n_networks, n_rows, ...)
            Of the networks.
        losses : Tensor of shape (n_networks, n_rows)
            Their losses.
        """
        watch = Watch()
        if not self.slow_because:
            handles = [layer.register_forward_hook(watch.note) for layer in self._layers]
        try:
            output = self.module(x)
        finally:
            if not self.slow_because:
                for handle in handles:
                    handle.remove()
        losses = loss(output, target)
        if not self.slow_because:
            self.slow_because = self._prepare(watch, losses)
            watch.calls = []  # hooks that hold places in the graph would keep it alive
            if self.slow_because:
                self._parts = []
                self._warn()
        self._batch = (losses, x, target, loss)
        return output, losses

    def norms(self) -> Tensor:
        """Norm of each row's gradient in the last batch, (n_networks, n_rows)."""
        losses, x, target, loss = self._batch
        if self.slow_because:
            targets = target if target is x else [target] * len(x)
            each = zip(self._networks, x, targets, strict=True)
            return torch.stack([_norms_one_by_one(*one, loss) for one in each])
        zeros = torch.zeros_like(losses[:1])
        squares = [sum((part.squares for _, part in parts), zeros) for parts in self._parts]
        return torch.cat(squares).clamp_(min=0).sqrt_()

    def loss(self, weights: Tensor, rows: Tensor | None = None) -> Tensor:
        """Weighted sum of the last batch's losses; ``backward`` leaves the weighted gradients.

        Parameters
        ----------
        weights : Tensor of shape (n_networks, n_rows)
            0 for rows that are dropped.
        rows : Tensor of shape (n_networks, n_kept), int64, optional
            The rows whose weight is not 0, where each network has as many: it saves time.
        """
        losses = self._batch[0]
        self._batch = None
        if self.slow_because:
            return (torch.where(weights > 0, losses, 0.0) * weights).sum()
        value = (torch.where(weights > 0, losses.detach(), 0.0) * weights).sum()
        parts, self._parts = self._parts, []

        @torch.no_grad()
        def gradients(scale: Tensor) -> list[Tensor | None]:
            found = self._weighted(parts, weights * scale, rows)
            return list(map(found.get, map(id, self._parameters)))

        return cast("Tensor", _KnownGradient.apply(value, gradients, *self._parameters))

    def _prepare(self, watch: Watch, losses: Tensor) -> str:
        """Take what each layer contributes; return what stands in the way."""
        obstacle = self._find_obstacle_in(watch, losses.shape[1])
        if obstacle:
            return obstacle
        called = tuple(id(call.layer) for call in watch.calls)
        if called not in self._sources:
            self._sources[called] = self._find_sources(watch, losses)
        edges = [watch.calls[i].edge for i in self._sources[called]]
        watch.taken = []
        keep = not self._checked
        torch.autograd.grad(losses.sum(), edges, retain_graph=keep, allow_unused=True)
        self._parts = [[] for _ in self._networks]
        for layer, part in watch.taken:
            self._parts[self._layers[layer][1]].append((layer, part))
        watch.taken = None
        if not self._checked:
            expected = torch.autograd.grad(
                losses.sum(), self._parameters, retain_graph=True, allow_unused=True
            )
            found = self._weighted(self._parts, torch.ones_like(losses))
            if not self._agrees(found, expected):
                return "a layer whose parameters are used outside it"
        self._checked = True
        return ""

    def _find_sources(self, watch: Watch, losses: Tensor) -> list[int]:
        """Find layers from which the way back through the graph passes all others.

        To ask for the gradients at all of them would keep all of them in memory at once.
        """
        if self._is_stacked:  # they stand in a row
            return [0]
        sources: list[int] = []
        for i, call in enumerate(watch.calls):
            if i not in watch.arrived:
                sources.append(i)
                torch.autograd.grad(losses.sum(), call.edge, retain_graph=True, allow_unused=True)
        return [i for i in sources if i in watch.arrived]

    @torch.no_grad()
    def _weighted(
        self, parts: Sequence[_Parts], weights: Tensor, rows: Tensor | None = None
    ) -> dict[int, Tensor]:
        """Weighted sum of the rows' gradients, by id of the parameter."""
        if self._is_stacked:
            per_network = [(weights, rows)]
        else:
            kept = [None] * len(weights) if rows is None else list(rows)
            per_network = list(zip(weights, kept, strict=True))
        found = {}
        for own_parts, own in zip(parts, per_network, strict=True):
            for layer, part in own_parts:
                for name, gradient in part.weighted(*own).items():
                    found[id(getattr(layer, name))] = gradient
        return found

    def _agrees(self, found: dict[int, Tensor], expected: Sequence[Tensor | None]) -> bool:
        """Whether the rows' gradients add up to what automatic differentiation finds."""
        norms, differences = [], []
        for parameter, b in zip(self._parameters, expected, strict=True):
            a = found.get(id(parameter))
            if (a is None) != (b is None):
                return False
            if a is not None and b is not None:
                norms.append(b.norm())
                differences.append((a - b).norm())
        total = torch.stack(norms)
        if not total.isfinite().all():
            return True  # the step's caller finds out
        # a bias in front of a normalisation has nothing but rounding: small beside all gradients
        return bool((torch.stack(differences) <= _AGREES * total.norm()).all())

    def _find_obstacle_in(self, watch: Watch, n_rows: int) -> str:
        """Return the layer, if there is one, that is not used in the way that rules assume."""
        seen: set[nn.Module] = set()
        for layer, x, _ in watch.calls:
            name = self._layers[layer][0]
            if layer in seen:
                return f"layer {name!r}, which is called more than once"
            if x.shape[1 if self._is_stacked else 0 :][:1] != (n_rows,):
                return f"layer {name!r}, whose inputs {tuple(x.shape)} do not begin with the rows"
            seen.add(layer)
        return ""

    def _warn(self) -> None:
        warn_caller(
            "the gradients of single rows are computed one by one, which is slow, because of "
            f"{self.slow_because}"
        )


def _norms_one_by_one(network: nn.Module, x: Tensor, target: Tensor, loss: RowLoss) -> Tensor:
    parameters = {k: p.detach() for k, p in network.named_parameters() if p.requires_grad}
    n_numbers = sum(p.numel() for p in parameters.values())

    def loss_of(parameters: Any, row: Any, own: Any) -> Any:
        output = functional_call(network, parameters, (row.unsqueeze(0),))
        return loss(output.unsqueeze(0), own.unsqueeze(0)).sum()

    def norm_of(row: Any, own: Any) -> Any:
        gradients = grad(loss_of)(parameters, row, own)
        return torch.stack([g.square().sum() for g in gradients.values()]).sum().sqrt()

    chunk = max(1, _layer_rules.CHUNK_NUMBERS // n_numbers)
    try:
        return vmap(norm_of, randomness="different", chunk_size=chunk)(x, target)
    except RuntimeError as error:
        raise ValueError(
            f"torch.func cannot differentiate {type(network).__name__} one row at a time "
            f"({str(error).splitlines()[0]}); use layers that have a rule here, or a selection "
            "that needs no gradients of rows (such as 'loss-gradient')"
        ) from error


def per_sample_gradient_norms(
    module: nn.Module, loss: Callable[[Tensor, Tensor], Tensor], X: Tensor, y: Tensor
) -> Tensor:
    """Norm of the gradient that each row gives to the parameters of a network.

    Parameters
    ----------
    module : nn.Module
        Maps (n_rows, ...) to outputs (n_rows, ...). It is used as it is, in training or in
        evaluation mode, and left as it is.
    loss : callable ``(output, y) -> Tensor (n_rows,)``
        Loss of each row, such as ``torch.nn.CrossEntropyLoss(reduction="none")``.
    X : Tensor of shape (n_rows, ...)
        Inputs.
    y : Tensor of shape (n_rows, ...)
        Targets.

    Returns
    -------
    Tensor of shape (n_rows,)
        Euclidean norms over all parameters with ``requires_grad``.

    Raises
    ------
    ValueError
        If a layer normalises with statistics of the batch, which its rows share, or the loss is
        not one number per row.

    Warns
    -----
    UserWarning
        If rows are differentiated one by one, see :class:`skrobust.training.RowGradients`.

    Examples
    --------
    >>> import torch
    >>> from skrobust.training import per_sample_gradient_norms
    >>> net = torch.nn.Linear(2, 1, bias=False)
    >>> X, y = torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.zeros(2)
    >>> per_sample_gradient_norms(net, lambda output, y: output[:, 0] - y, X, y)
    tensor([5., 1.])
    """

    def row_loss(output: Tensor, y: Tensor) -> Tensor:
        losses = loss(output[0], y)
        if losses.shape != y.shape[:1]:
            raise ValueError(
                f"loss must return one number per row, shape {tuple(y.shape[:1])}, got shape "
                f"{tuple(losses.shape)}; reduction='none' does so for torch's"
            )
        return losses.unsqueeze(0)

    with torch.enable_grad():
        rows = RowGradients(NetworkEnsemble(module))
        rows.forward(X.unsqueeze(0), y, row_loss)
        return rows.norms()[0]


class _KnownGradient(torch.autograd.Function):
    """A number whose gradient by the parameters is known already, up to its scale."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: Callable, *parameters: Tensor) -> Tensor:
        ctx.gradients = gradients
        return value.clone()

    @staticmethod
    def backward(ctx: Any, scale: Tensor) -> Any:
        gradients, ctx.gradients = ctx.gradients, None  # frees what they are made from
        return None, None, *gradients(scale)

"""Per-row losses and scores: one number per row and network, low for a trusted row.

Outputs and targets have shape (..., n_rows, n_features); the result has shape (..., n_rows).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "absolute_error",
    "absolute_gradient_norm",
    "binary_crossentropy",
    "bootstrap",
    "bootstrap_gradient_norm",
    "crossentropy",
    "crossentropy_gradient_norm",
    "error_beyond",
    "gaussian_divergence",
    "huber",
    "huber_gradient_norm",
    "output_gradient_norm",
    "squared_error",
    "squared_gradient_norm",
]

# Along the rows instead of a few classes the softmax is vectorised: up to four times as fast; with
# many classes it is the other way round.
_MANY_CLASSES = 32


def squared_error(output: Tensor, target: Tensor, per_feature: bool = False) -> Tensor:
    """Squared error, summed over the features (e of Algorithm 1).

    Parameters
    ----------
    output, target : Tensor of shape (..., n_rows, n_features)
        Reconstruction and input.
    per_feature : bool, default=False
        Leave out the sum.

    Returns
    -------
    Tensor of shape (..., n_rows), or (..., n_rows, n_features)
        Squared units of the features.
    """
    errors = (output - target).square()
    return errors if per_feature else errors.sum(dim=-1)


def binary_crossentropy(logits: Tensor, target: Tensor, per_feature: bool = False) -> Tensor:
    """Binary cross-entropy of logits, summed over the features.

    Parameters
    ----------
    logits : Tensor of shape (..., n_rows, n_features)
        Reconstruction before the sigmoid.
    target : Tensor of the same shape
        Input. Values outside [0, 1] are clipped, as the loss would have no lower bound there,
        and the square of what was cut off is added.
    per_feature : bool, default=False
        Leave out the sum.

    Returns
    -------
    Tensor of shape (..., n_rows), or (..., n_rows, n_features)
        In nats. The entropy of the target is subtracted, so that 0 is a perfect reconstruction
        of any value; otherwise rows would be ranked by how near their values are to 0.5.
    """
    inside = target.clamp(0.0, 1.0)
    entropy = torch.special.entr(inside) + torch.special.entr(1.0 - inside)
    errors = F.binary_cross_entropy_with_logits(logits, inside, reduction="none")
    errors = errors - entropy + (target - inside).square()
    return errors if per_feature else errors.sum(dim=-1)


def gaussian_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, diag(variance)) from N(0, I) [Kingma, Welling 2014].

    Parameters
    ----------
    mean, log_variance : Tensor of shape (..., n_rows, latent_dim)
        Parameters of the normal distributions.

    Returns
    -------
    Tensor of shape (..., n_rows)
        In nats.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(dim=-1)


def crossentropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits.

    Parameters
    ----------
    logits : Tensor of shape (n_networks, n_rows, n_classes)
        Outputs before the softmax.
    labels : Tensor of shape (n_rows,) or (n_networks, n_rows), int64
        Observed classes, 0 to ``n_classes - 1``.

    Returns
    -------
    Tensor of shape (n_networks, n_rows)
        In nats.
    """
    labels = labels.expand(logits.shape[:-1])
    if logits.shape[-1] >= _MANY_CLASSES:
        rows = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
        return rows.view(labels.shape)
    return F.cross_entropy(logits.transpose(1, 2), labels, reduction="none")


def bootstrap(logits: Tensor, labels: Tensor, weight: float, hard: bool) -> Tensor:
    """Cross-entropy with labels that are mixed with the network's own view [Reed et al., 2015].

    Parameters
    ----------
    logits : Tensor of shape (n_networks, n_rows, n_classes)
        Outputs before the softmax.
    labels : Tensor of shape (n_rows,) or (n_networks, n_rows), int64
        Observed classes.
    weight : float in (0, 1]
        Weight of the observed class.
    hard : bool
        Whether the rest goes to the most likely class instead of to all by their probability. The
        mixture is a target: no gradient goes through it.

    Returns
    -------
    Tensor of shape (n_networks, n_rows)
        In nats.
    """
    logs = logits.log_softmax(dim=-1)
    with torch.no_grad():
        own = _own_view(logs, hard)
    return weight * crossentropy(logits, labels) - (1.0 - weight) * (own * logs).sum(dim=-1)


def _own_view(logs: Tensor, hard: bool) -> Tensor:
    if not hard:
        return logs.exp()
    return F.one_hot(logs.argmax(dim=-1), logs.shape[-1]).to(logs.dtype)


def absolute_error(output: Tensor, target: Tensor) -> Tensor:
    """Absolute error, summed over the features.

    Parameters
    ----------
    output, target : Tensor of shape (..., n_rows, n_features)
        Prediction and target.

    Returns
    -------
    Tensor of shape (..., n_rows)
        Units of the features.
    """
    return (output - target).abs().sum(dim=-1)


def huber(output: Tensor, target: Tensor, delta: float = 1.0) -> Tensor:
    """Huber's loss, summed over the features [Huber, 1964].

    Parameters
    ----------
    output, target : Tensor of shape (..., n_rows, n_features)
        Prediction and target.
    delta : float, default=1.0
        Errors beyond it count linearly, smaller ones as half their square.

    Returns
    -------
    Tensor of shape (..., n_rows)
        Squared units of the features.
    """
    errors = (output - target).abs()
    small = errors.clamp(max=delta)
    return (small * (errors - 0.5 * small)).sum(dim=-1)


# Norms of the gradient with respect to the network's output: the scores of Algorithm 4. They are
# written out, which costs less than automatic differentiation and builds no graph.


@torch.no_grad()
def crossentropy_gradient_norm(logits: Tensor, labels: Tensor) -> Tensor:
    """Norm of the gradient of :func:`crossentropy`, ||softmax(o) - onehot(y)|| (Algorithm 4).

    Parameters
    ----------
    logits : Tensor of shape (n_networks, n_rows, n_classes)
        Outputs before the softmax.
    labels : Tensor of shape (n_rows,) or (n_networks, n_rows), int64
        Observed classes.

    Returns
    -------
    Tensor of shape (n_networks, n_rows)
        Between 0 and sqrt(2). With two classes it ranks as the loss does, with more it does not.
    """
    few = logits.shape[-1] < _MANY_CLASSES
    gradient = logits.transpose(1, 2).softmax(dim=1) if few else logits.softmax(dim=2)
    along = 1 if few else 2
    observed = labels.expand(logits.shape[:-1]).unsqueeze(along)
    gradient.scatter_add_(along, observed, gradient.new_full((), -1.0).expand(observed.shape))
    return gradient.square_().sum(dim=along).sqrt_()  # norm is slow along dimension 1


@torch.no_grad()
def bootstrap_gradient_norm(logits: Tensor, labels: Tensor, weight: float, hard: bool) -> Tensor:
    """Norm of the gradient of :func:`bootstrap` (Algorithm 4).

    Parameters
    ----------
    logits : Tensor of shape (n_networks, n_rows, n_classes)
        Outputs before the softmax.
    labels : Tensor of shape (n_rows,) or (n_networks, n_rows), int64
        Observed classes.
    weight : float in (0, 1]
        Weight of the observed class.
    hard : bool
        Where the rest goes, see :func:`bootstrap`.

    Returns
    -------
    Tensor of shape (n_networks, n_rows)
        ||softmax(o) - target||; with ``hard=False`` a multiple of what the cross-entropy has.
    """
    if not hard:
        return weight * crossentropy_gradient_norm(logits, labels)
    observed = F.one_hot(labels.expand(logits.shape[:-1]), logits.shape[-1])
    target = weight * observed + (1.0 - weight) * _own_view(logits, hard)
    return (logits.softmax(dim=-1) - target).norm(dim=-1)


@torch.no_grad()
def squared_gradient_norm(output: Tensor, target: Tensor) -> Tensor:
    """Norm of the gradient of :func:`squared_error`, which ranks as the loss does (Algorithm 4).

    Parameters
    ----------
    output, target : Tensor of shape (..., n_rows, n_features)
        Prediction and target.

    Returns
    -------
    Tensor of shape (..., n_rows)
        Twice the Euclidean error.
    """
    return 2.0 * (output - target).norm(dim=-1)


@torch.no_grad()
def huber_gradient_norm(output: Tensor, target: Tensor, delta: float = 1.0) -> Tensor:
    """Norm of the gradient of :func:`huber`, ||clip(r, -delta, delta)|| (Algorithm 4).

    Parameters
    ----------
    output, target : Tensor of shape (..., n_rows, n_features)
        Prediction and target; r is their difference.
    delta : float, default=1.0
        Where the loss becomes linear.

    Returns
    -------
    Tensor of shape (..., n_rows)
        The same for all rows beyond ``delta`` in every feature, see :func:`error_beyond`.
    """
    return (output - target).clamp(-delta, delta).norm(dim=-1)


@torch.no_grad()
def absolute_gradient_norm(output: Tensor, target: Tensor) -> Tensor:
    """Norm of the gradient of :func:`absolute_error` (Algorithm 4).

    Parameters
    ----------
    output, target : Tensor of shape (..., n_rows, n_features)
        Prediction and target.

    Returns
    -------
    Tensor of shape (..., n_rows)
        Root of the number of features that are not met exactly, see :func:`error_beyond`.
    """
    return (output - target).sign().norm(dim=-1)


@torch.no_grad()
def error_beyond(output: Tensor, target: Tensor, delta: float = 0.0) -> Tensor:
    """How far a row lies beyond ``delta`` in every feature: tells saturated rows apart.

    A gradient that is clipped has one norm for all rows far off. They have the largest norm
    there is, so that adding this number orders them by their error and leaves the others alone.

    Parameters
    ----------
    output, target : Tensor of shape (..., n_rows, n_features)
        Prediction and target.
    delta : float, default=0.0
        Where the gradient is clipped; 0 for the absolute error.

    Returns
    -------
    Tensor of shape (..., n_rows)
        Sum over the features of the error beyond ``delta``; 0 for rows within it in any feature.
    """
    beyond = (output - target).abs() - delta
    return torch.where((beyond > 0).all(dim=-1), beyond.sum(dim=-1), 0.0)


def output_gradient_norm(
    output: Tensor, target: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Norm of the gradient of any loss with respect to the network's output (Algorithm 4).

    Parameters
    ----------
    output : Tensor of shape (n_networks, n_rows, n_outputs) or (n_networks, n_rows)
        Of the networks; their graph is left alone.
    target : Tensor of shape (n_rows, ...)
        Labels or targets.
    loss : callable ``(output, target) -> Tensor (n_networks, n_rows)``
        Differentiated automatically.

    Returns
    -------
    Tensor of shape (n_networks, n_rows)
    """
    with torch.enable_grad():
        output = output.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(output, target).sum(), output)
    return gradient.flatten(2).norm(dim=-1) if gradient.ndim > 2 else gradient.abs()

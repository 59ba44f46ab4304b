"""Training of a FusionNet: losses, optimiser, modality dropout, metrics."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import pytorch_lightning as pl
import torch
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy

from drivers.errors import ConfigError
from fusion.data.batches import Batch
from fusion.data.ranks import share
from fusion.evaluate.position import MPJPE, PAMPJPE, PCK
from fusion.model.blind import in_true_view, unseen_so_far
from fusion.model.checkpoint import load_net
from fusion.model.losses import LossWeights, fusion_losses, kept_loss, pooled_logits
from fusion.model.net import FusionNet, NetConfig
from fusion.model.optimiser import ACTION_HEAD, OptimiserConfig, one_cycle, optimiser_of
from fusion.model.wider import widened


@dataclasses.dataclass(frozen=True)
class ModalityDropout:
    """Probabilities that a window is trained without a modality, or without it for a stretch of time.

    At least one of vision and inertial stays wherever both were there.

    Attributes:
        vision: without vision.
        inertial: without all inertial sensors.
        audio: without sound.
        place: without one particular inertial sensor, each.
        blackout: without vision for a random stretch.
        foreign: what a window's inertial sensors tell is of another window of the batch, while vision is its
            own: where the two disagree about an action, vision is to be believed. For data of actions alone.
        ramp: part of the training over which the probabilities grow from 0 to these.
    """

    vision: float = 0.15
    inertial: float = 0.2
    audio: float = 0.2
    place: float = 0.0
    blackout: float = 0.0
    foreign: float = 0.0
    ramp: float = 0.2


T = TypeVar("T")


def _as(kind: type[T], value: T | dict[str, Any]) -> T:
    """Return ``value`` as a dataclass; a checkpoint keeps it as a dict."""
    return kind(**value) if isinstance(value, dict) else value


class FusionModule(pl.LightningModule):
    """A FusionNet and how it is trained.

    Args:
        net: sizes and names of actions.
        optimiser: learning rate and so on.
        losses: weights of the terms.
        dropout: of modalities.
        label_smoothing: of actions.
        init_weights: weights to begin from, a file or a name (:func:`load_net`); they must have
            the same sizes, but for :func:`begin_from`; their actions may differ.
        sizes_of: weights whose sizes the network has, whatever ``net`` says but for actions and dropout.
        keep: weight of a loss that holds all but the action where ``init_weights`` have it, with whatever
            sensors a window has (Z. Li, D. Hoiem, "Learning without Forgetting", ECCV 2016).
        compiled: let ``torch.compile`` make training faster; needs a C++ compiler, and a minute at first.
    """

    def __init__(
        self,
        net: NetConfig = NetConfig(),  # noqa: B008  (frozen)
        optimiser: OptimiserConfig = OptimiserConfig(),  # noqa: B008
        losses: LossWeights = LossWeights(),  # noqa: B008
        dropout: ModalityDropout = ModalityDropout(),
        label_smoothing: float = 0.0,
        init_weights: str | None = None,
        compiled: bool = False,
        sizes_of: str | None = None,
        keep: float = 0.0,
    ) -> None:
        super().__init__()
        net, optimiser = _as(NetConfig, net), _as(OptimiserConfig, optimiser)
        if sizes_of is not None:
            net = dataclasses.replace(load_net(sizes_of).config, actions=net.actions, dropout=net.dropout)
        losses, dropout = _as(LossWeights, losses), _as(ModalityDropout, dropout)
        # Plain values only, so that a checkpoint loads with weights_only=True.
        self.save_hyperparameters(
            {
                "net": {**dataclasses.asdict(net), "actions": list(net.actions)},
                "optimiser": dataclasses.asdict(optimiser),
                "losses": dataclasses.asdict(losses),
                "dropout": dataclasses.asdict(dropout),
                "label_smoothing": label_smoothing,
                "init_weights": init_weights,
                "compiled": compiled,
                "sizes_of": sizes_of,
                "keep": keep,
            }
        )
        self.net = FusionNet(dataclasses.replace(net, actions=tuple(net.actions)))
        self.optimiser, self.losses, self.dropout = optimiser, losses, dropout
        self.label_smoothing, self.compiled = label_smoothing, compiled
        self.keep, self._before = keep, ()
        if init_weights is not None:
            begin_from(self.net, load_net(init_weights))
            if keep:  # in a tuple: no part of what is trained and stored
                self._before = (copy.deepcopy(self.net).eval().requires_grad_(False),)
        actions = len(net.actions)
        self.top1 = MulticlassAccuracy(max(actions, 2), average="micro", ignore_index=-1)
        self.mpjpe, self.pa_mpjpe, self.pck = MPJPE(), PAMPJPE(), PCK()

    def setup(self, stage: str) -> None:
        """Check that data and network agree on the actions."""
        names = getattr(getattr(self.trainer, "datamodule", None), "action_names", None)
        if names is not None and tuple(names) != tuple(self.net.config.actions):
            raise ConfigError(
                f"the network has {_listed(self.net.config.actions)}, the data has {_listed(names)}",
                mend="Set model.net.actions to the names of the data's actions",
            )
        for net in self._before:
            net.to(self.device)
        if self.compiled and stage == "fit":
            self.net.compile()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint whose numbers of actions mean other actions."""
        names = checkpoint.get("hyper_parameters", {}).get("net", {}).get("actions", self.net.config.actions)
        if tuple(names) != tuple(self.net.config.actions):
            raise ConfigError(
                f"the checkpoint has {_listed(names)}, the network {_listed(self.net.config.actions)}",
                mend="Set model.net.actions to the checkpoint's, or begin anew with --model.init_weights",
            )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One step: losses of a batch with modalities dropped."""
        features = self.drop_modalities(batch["features"], batch["valid"])
        outputs = self.net(features)
        terms = fusion_losses(
            outputs,
            batch["targets"],
            batch["valid"],
            batch["segment"],
            self.losses,
            self.label_smoothing,
            unseen_so_far(features),
        )
        for net in self._before:
            with torch.no_grad():
                before = net(features)
            terms["kept"] = kept_loss(outputs, before, batch["valid"])
            terms["loss"] = terms["loss"] + self.keep * terms["kept"]
        size = len(batch["valid"])
        log = {f"train/{name}": value.detach() for name, value in terms.items()}
        self.log_dict(log, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)
        self.log("loss", terms["loss"].detach(), prog_bar=True, logger=False, batch_size=size)
        return terms["loss"]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Losses and metrics of a batch as it is."""
        self._measure("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Losses and metrics of a batch as it is."""
        self._measure("test", batch)

    def _measure(self, part: str, batch: Batch) -> None:
        outputs, targets = self.net(batch["features"]), batch["targets"]
        unseen = unseen_so_far(batch["features"])
        terms = fusion_losses(outputs, targets, batch["valid"], batch["segment"], self.losses, unseen=unseen)
        outputs = in_true_view(outputs, targets, unseen)
        size = len(batch["valid"])
        self.log(f"{part}/loss", terms["loss"], prog_bar=True, batch_size=size, sync_dist=True)
        if self.losses.segment:
            self.top1.update(pooled_logits(outputs, batch["valid"]), batch["segment"])
        else:
            labels = targets["action"].masked_fill(batch["valid"] < 0.5, -1)
            self.top1.update(outputs["action"].flatten(0, 1), labels.flatten())
        self.log(f"{part}/top1", cast(Any, self.top1), prog_bar=True, batch_size=size)
        if self.losses.joints3d:
            known = targets["joints3d_known"] * batch["valid"][..., None]
            self.mpjpe.update(outputs["joints3d"], targets["joints3d"], known)
            self.pa_mpjpe.update(outputs["joints3d"], targets["joints3d"], known)
            self.log(f"{part}/mpjpe_mm", self.mpjpe, prog_bar=True, batch_size=size)
            self.log(f"{part}/pa_mpjpe_mm", self.pa_mpjpe, batch_size=size)
        if self.losses.joints2d:
            known = targets["joints2d_known"] * batch["valid"][..., None]
            self.pck.update(outputs["keypoints2d"], targets["joints2d"], known)
            self.log(f"{part}/pck05", self.pck, batch_size=size)

    def drop_modalities(self, features: dict[str, Tensor], valid: Tensor) -> dict[str, Tensor]:
        """Return ``features`` with presence taken away as :class:`ModalityDropout` says."""
        config, batch = self.dropout, len(valid)
        progress = self.trainer.global_step / max(1.0, float(self.trainer.estimated_stepping_batches))
        ramp = min(1.0, progress / config.ramp) if config.ramp > 0 else 1.0
        # Drawn for the batches of all processes, of which this one takes its own: as one process would.
        rank, world = share()
        g = torch.Generator().manual_seed(
            (torch.initial_seed() * 1_000_003 + self.trainer.global_step) % (1 << 62)
        )

        def luck(*shape: int) -> Tensor:
            return torch.rand(world, batch, *shape, generator=g)[rank].to(valid.device)

        draw = luck()
        no_vision = draw < config.vision * ramp
        no_inertial = draw > 1.0 - config.inertial * ramp
        no_audio = luck() < config.audio * ramp
        vision = features["vision_present"] * ~no_vision[:, None, None]
        hit, ends = luck(1) < config.blackout * ramp, luck(2).sort(dim=1).values * valid.shape[1]
        at = torch.arange(valid.shape[1], device=valid.device)
        black = hit & (at >= ends[:, :1]) & (at < ends[:, 1:])
        vision = vision * ~black[..., None]
        if "others_present" in features:
            lost = no_vision[:, None] | black
            others = features["others_present"] * ~lost[..., None, None]
            features = features | {"others_present": others}
        inertial = features["inertial_present"] * ~no_inertial[:, None, None]
        inertial = inertial * ~(luck(1, inertial.shape[-1]) < config.place * ramp)
        audio = features["audio_present"] * ~no_audio[:, None]
        if config.foreign:
            seen = (vision > 0.5).flatten(1).any(dim=1)
            whose = torch.arange(batch, device=valid.device)
            whose = torch.where((luck() < config.foreign * ramp) & seen, whose.roll(1), whose)
            told = {n: features[n][whose] for n in ("inertial", "inertial_age")}
            features, inertial = {**features, **told}, inertial[whose]
        return {**features, "vision_present": vision, "inertial_present": inertial, "audio_present": audio}

    def configure_optimizers(self) -> Any:
        """As :class:`OptimiserConfig` says."""
        optimiser = optimiser_of(self.net, self.optimiser)
        return one_cycle(optimiser, int(self.trainer.estimated_stepping_batches), self.optimiser.warmup)


def _listed(names: Sequence[str]) -> str:
    few = ", ".join(names[:6])
    return f"{len(names)} actions ({few}{' ...' if len(names) > 6 else ''})"


def begin_from(net: FusionNet, source: FusionNet) -> None:
    """Copy the weights of ``source`` into ``net``; the action head only for names that both have.

    A network that guesses twice may begin from one that guesses once: its last block does nothing at first.
    One that is wider begins with saying what the narrow one says (:mod:`fusion.model.wider`).

    Raises:
        ConfigError: the sizes differ in another way.
    """
    if net.config.reprojected and not source.config.reprojected:
        net.second_guess_at_rest()
    want, have = net.state_dict(), source.state_dict()
    if net.config.width > source.config.width:
        try:
            have = widened(source, net)
        except ValueError as error:
            raise _other_sizes(str(error)) from None
    rows = [
        (i, source.config.actions.index(a))
        for i, a in enumerate(net.config.actions)
        if a in source.config.actions
    ]
    for name, value in have.items():
        if name.startswith(ACTION_HEAD) and name in want and want[name].shape[1:] == value.shape[1:]:
            for to, at in rows:
                want[name][to] = value[at]
        elif name in want and want[name].shape == value.shape:
            want[name] = value
        else:
            raise _other_sizes(name)
    net.load_state_dict(want)


def _other_sizes(what: str) -> ConfigError:
    return ConfigError(
        f"the weights to begin from have other sizes ({what})",
        mend="Give model.net the sizes of those weights, or leave model.init_weights out",
    )

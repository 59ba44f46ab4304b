"""``chorus train`` and ``train.py``: LightningCLI with our network, our errors and our defaults.

train.py fit --config configs/experiment/utd_mhad.yaml
train.py fit --config ... --ckpt_path last          resume
train.py test --config ... --ckpt_path FILE.ckpt    test only
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jsonargparse
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger

from drivers.errors import ChorusError, ConfigError
from drivers.typed import nearest
from fusion.commands.arguments import UsageError, in_words, read_mapping
from fusion.model.checkpoint import load_net
from fusion.model.module import FusionModule
from fusion.model.net import NetConfig
from fusion.model.progress import progress_bar

_NOISE = (
    ".*args parameter is intended to run from within Python.*",
    ".*does not have many workers.*",  # batches are made faster in this process than sent from another
    ".*Total length of `list` across ranks is zero.*",  # no validation: a final training uses all it may
    ".*have no `val_dataloader`.*",
    ".*Checkpoint directory .* exists and is not empty.*",  # older checkpoints are kept beside the new ones
    ".*using the WeightAveraging callback, but loading a checkpoint.*",  # the checkpoint holds the average
    ".*dirpath has changed from.*",  # a checkpoint may be tested from another folder
    ".*number of training batches .* is smaller than the logging interval.*",
    ".*isinstance\\(treespec, LeafSpec\\).*",  # of Lightning about itself
    ".*You are trying to `self.log\\(\\)` .* but it is not logged because.*",
)


def main(argv: list[str] | None = None, program: str = "train.py") -> int:
    """Run the command line; return the exit code. Errors are one line on stderr.

    Args:
        argv: without the program's name; default: of this process.
        program: how the user called it.
    """
    argv = sys.argv[1:] if argv is None else argv
    torch.set_flush_denormal(True)  # weights and attention that vanish would cost CPUs a multiple
    try:
        _check_files(argv, program)
        command_line(argv, program)
    except ChorusError as error:
        return _say(program, str(error), code=getattr(error, "exit_status", 1))
    except jsonargparse.ArgumentError as error:
        return _say(program, f"{_one_line(error.message)}. See {program} fit --help", code=2)
    except KeyboardInterrupt:
        return _say(program, f"stopped. Go on with {program} fit ... --ckpt_path last", code=130)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    finally:
        torch.set_flush_denormal(False)
    return 0


def command_line(argv: list[str], program: str = "train.py", *, run: bool = True) -> FusionCLI:
    """Parse ``argv``, build everything and, if ``run``, do what its subcommand says.

    Raises:
        ChorusError: anything that a user can mend.
        jsonargparse.ArgumentError: an unknown option or a wrong value.
    """
    for text in _NOISE:
        warnings.filterwarnings("ignore", text)
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # Lightning's own calls
    chosen = _chooses_model(argv)
    return FusionCLI(
        pl.LightningModule if chosen else FusionModule,
        pl.LightningDataModule,
        subclass_mode_model=chosen,
        subclass_mode_data=True,
        save_config_kwargs={"overwrite": True},
        seed_everything_default=0,
        auto_configure_optimizers=False,
        # Samplers share batches out themselves, see fusion.data.ranks.
        trainer_defaults={"callbacks": [progress_bar()], "use_distributed_sampler": False},
        parser_kwargs={"prog": program, "exit_on_error": False},
        args=argv,
        run=run,
    )


class FusionCLI(LightningCLI):
    """LightningCLI with one folder for all that comes of a run."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add ours."""
        parser.add_argument(
            "--output", type=str, default="runs/train", help="Folder for logs, checkpoints and reports."
        )
        parser.add_argument(
            "--best",
            type=str | None,
            default=None,
            help="Metric that tells the best checkpoint, such as val/mpjpe_mm; the last is kept anyway.",
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, and say of an unknown option or a wrong value what is known or right.

        Raises:
            UsageError: an option is unknown, or of the wrong type.
            jsonargparse.ArgumentError: anything else.
        """
        try:
            super().parse_arguments(parser, args)
        except jsonargparse.ArgumentError as error:
            chosen = next((word for word in args if word in self._subcommand_parsers), "fit")
            known = self._subcommand_parsers[chosen].get_defaults().keys()
            raise _explained(error.message or "", known) or error from None

    def _parse_ckpt_path(self) -> None:
        """Let a checkpoint say what the model's options are, but where the config names the model's class.

        Lightning would put them beside the name of the class instead of below it, and refuse them.
        """
        if not self.subclass_mode_model:
            super()._parse_ckpt_path()

    def before_instantiate_classes(self) -> None:
        """Let network and data name the same actions where one of them was told none."""
        config = self.config if self.subcommand is None else self.config[self.subcommand]
        options = config.data.get("init_args") or {}
        module, _, name = config.data.class_path.rpartition(".")
        actions_for = getattr(getattr(importlib.import_module(module), name), "actions_for", None)
        if actions_for is None:
            return
        told = tuple(config.model.net.actions)
        if told == NetConfig().actions:
            config.model.net.actions = actions_for(options) or told
        elif not options.get("actions"):
            config.data.init_args.actions = list(told)

    def before_fit(self) -> None:
        """Read the data before any logger makes a file: where it is missing, nothing is left behind."""
        self._read("fit")
        labelled_s = getattr(self.datamodule, "labelled_s", None)
        if labelled_s is not None and self.trainer.is_global_zero:
            for name, (train, val) in labelled_s().items():
                print(f"{name}: {train:.1f} s to learn from, {val:.1f} s to validate on")

    def before_validate(self) -> None:
        """As before fit."""
        self._read("validate")

    def before_test(self) -> None:
        """As before fit."""
        self._read("test")

    def _read(self, stage: str) -> None:
        self.datamodule.prepare_data()
        self.datamodule.setup(stage)

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Log to CSV and TensorBoard, keep the best and the last checkpoint; all within the output folder."""
        output = Path(self._get(self.config_init, "output"))
        best = self._get(self.config_init, "best")
        given = self._get(self.config_init, "trainer")
        folder = output / "checkpoints"
        # The last one is kept apart: with a metric, a checkpoint is written only where that got better.
        last = ModelCheckpoint(
            dirpath=folder,
            filename="last" if best else "{epoch:03d}",
            save_last=not best,
            save_on_train_epoch_end=True,
            save_on_exception=True,
            enable_version_counter=False,
        )
        keep = [last]
        if best:
            mode = "max" if any(name in best for name in ("top1", "pck", "oks")) else "min"
            keep.append(ModelCheckpoint(dirpath=folder, filename="best", monitor=best, mode=mode))
        kwargs["default_root_dir"] = str(output)
        if not given["fast_dev_run"]:
            kwargs["callbacks"] = [*(given["callbacks"] or []), *keep]
            kwargs["logger"] = [CSVLogger(output, name="csv"), TensorBoardLogger(output, name="tensorboard")]
        return super().instantiate_trainer(**kwargs)

    def after_fit(self) -> None:
        """Say where the checkpoint is."""
        kept = self.trainer.checkpoint_callback
        last = getattr(kept, "last_model_path", "") or getattr(kept, "best_model_path", "")
        if last and self.trainer.is_global_zero:
            print(f"checkpoint: {last}")


def _check_files(argv: list[str], program: str) -> None:
    """Refuse what LightningCLI would answer with a traceback."""
    if not argv:
        raise ConfigError(
            "nothing to do",
            mend=f"Try {program} fit --config configs/experiment/utd_mhad.yaml, or {program} --help",
        )
    words = [word for arg in argv for word in arg.split("=", 1)]
    for name, value in itertools.pairwise(words):
        if name in ("--config", "-c"):
            read_mapping(value)
        if name == "--ckpt_path" and value.endswith(".ckpt") and not os.path.isfile(value):  # noqa: PTH113
            raise ConfigError(f"there is no checkpoint {value}", mend="See the folder checkpoints of the run")
        if name == "--ckpt_path" and value.endswith(".ckpt") and not _chooses_model(argv):
            load_net(value)  # refuses what is damaged or foreign in one line; Lightning would not


def _chooses_model(argv: list[str]) -> bool:
    """Return whether a config or an option names the class of the model; by default it is FusionModule."""
    words = [word for arg in argv for word in arg.split("=", 1)]
    if "--model.class_path" in words:
        return True
    configs = [read_mapping(v) for k, v in itertools.pairwise(words) if k in ("--config", "-c")]
    return any("class_path" in (config.get("model") or {}) for config in configs)


def _explained(text: str, known: Iterable[str]) -> UsageError | None:
    """Return what jsonargparse found, in words, or None where it is something else."""
    said = in_words(" ".join(text.split()))
    if said is not None:
        return UsageError(said[0], mend=said[1])
    of_class = re.search(r"class_path '([\w.]+)':\s+Option '([\w.]+)' is not accepted", text)
    if of_class:
        module, _, name = of_class[1].rpartition(".")
        options = inspect.signature(getattr(importlib.import_module(module), name)).parameters
        return UsageError(
            f"{name} has no option '{of_class[2]}'", mend=nearest(of_class[2], options, "It has")
        )
    unknown = re.search(r"(?:accept option|Option|arguments:) '?(?:--)?([\w.]+)", text)
    if unknown:
        mend = nearest(unknown[1], list(known), "Options")
        return UsageError(
            f"there is no option '{unknown[1]}'", mend=mend if len(mend) < 200 else "See --help"
        )
    return None


def _one_line(text: str) -> str:
    return " ".join(text.split())[:600].rstrip(". ")


def _say(program: str, text: str, code: int = 1) -> int:
    print(f"{program}: {text}", file=sys.stderr)
    return code

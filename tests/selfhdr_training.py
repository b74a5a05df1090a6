"""Options, batches and models with which the tests of SelfHDR's training work."""

import argparse

import torch

from models import create_model
from models.base_model import BaseModel
from models.selfhdr2_model import Noise
from util.device import Place
from util.task import Task

CPU = torch.device("cpu")
TASK = Task(3, 1.0, 1)
EXPOSURE = torch.tensor([1.0, 4.0, 16.0])
MADE_FOR_TESTS = 7  # seed


def options(**changes: object) -> argparse.Namespace:
    settings = {
        "checkpoints_dir": ".",
        "name": "run",
        "model": "selfhdr2",
        "net": "ahdrnet",
        "size": "tiny",
        "dataset_name": "sig17align",
        "dataroot": "/data",
        "is_train": True,
        "frame_num": 3,
        "patch_size": 24,
        "precision": "fp32",
        "channels_last": False,
        "compile": False,
        "gradient_checkpointing": False,
        "label_format": "exr",
        "of_data": [],
        "any_protocol": False,
        "tile": 0,
        "tile_overlap": 32,
        "self_ensemble": 1,
        "lr": 1e-3,
        "beta1": 0.9,
        "beta2": 0.999,
        "weight_decay": 0.0,
        "ema_decay": 0.0,
        "preserve_weight": 4.0,
        "spynet_path": None,
        "reference_noise": Noise(0.5, 0.5),
        "structure_loss": "gradient",
        "structure_weight": 1.0,
        "vgg_weights": None,
        "vgg_order": "rgb",
    }
    return argparse.Namespace(**settings | changes)


def light(*shape: int, seed: int = MADE_FOR_TESTS) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def batch(count: int = 2, side: int = 24, static: bool = True) -> dict:
    """A batch of three exposures of a scene that stands still, or of three scenes, and the true labels."""
    scene = light(count, 3, side, side)
    scenes = (scene, scene, scene) if static else [light(count, 3, side, side, seed=s) for s in range(3)]
    frames = torch.stack([(part * t).clamp(0, 1) for part, t in zip(scenes, EXPOSURE, strict=True)], dim=1)
    labels = {"color_label": scene.clone(), "structure_label": scene.clone()}
    return {"frames": frames, "exposure": EXPOSURE.repeat(count, 1), "name": ["a"] * count} | labels


def model_of(name: str, **changes: object) -> BaseModel:
    """A model with a network, ready to train."""
    torch.manual_seed(0)
    model = create_model(options(model=name, **changes), Place(CPU), TASK)
    model.build()
    model.prepare_training()
    return model

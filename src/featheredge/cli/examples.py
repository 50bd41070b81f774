"""Example commands of every verb, which `--help` shows below the options."""

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "edges": (
        "featheredge edges photo.jpg",
        "featheredge edges holiday/ -o edges/ --as thin --threshold 0.5",
    ),
    "saliency": (
        "featheredge saliency photo.jpg",
        "featheredge saliency holiday/ -o masks/ --as mask",
    ),
    "cutout": (
        "featheredge cutout photo.jpg",
        "featheredge cutout holiday/ -o cut/ --crop --background white",
    ),
    "video": (
        "featheredge video clip.mp4 --as overlay",
        "featheredge video clip.mp4 --as cutout -o cut.webm --smooth 0.5",
    ),
    "models": ("featheredge models --time", "featheredge models mobile-edge"),
    "doctor": ("featheredge doctor",),
    "eval": (
        "featheredge eval mobile-edge data/bsds500 --split val",
        "featheredge eval saliency maps/ masks/",
    ),
    "bench": ("featheredge bench mobile-edge-s mobile-edge",),
    "report": ("featheredge report runs -o report.html",),
    "new-recipe": ("featheredge new-recipe saliency -o my-objects.toml",),
    "train": ("featheredge train my-objects.toml --dry-run", "featheredge train my-objects.toml"),
    "prune": ("featheredge prune prune-mobile-edge --dry-run",),
    "export": ("featheredge export runs/my-objects/model -o my-objects.onnx",),
    "label": ("featheredge label onnx:u2netp.onnx photos -o maps --also onnx:isnet.onnx",),
    "reproduce": (
        "featheredge reproduce edge-distillation --data data/bsds500 --backbone "
        "mobilenet.safetensors --teacher runs/rcf/model",
    ),
    "completion": ("source <(featheredge completion bash)",),
    "serve": ("featheredge serve --port 8000",),
    "tour": ("featheredge tour",),
}
"""Verb -> commands, the most usual first."""


def epilogue(verb: str) -> str:
    """Return the examples of a verb, for the end of its help."""
    commands = EXAMPLES[verb]
    title = "Example:" if len(commands) == 1 else "Examples:"
    return "\n".join([title, *(f"  {command}" for command in commands)])

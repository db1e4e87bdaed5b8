"""Draw the demo's pictures: `python -m workbench.demo.draw` (needs Pillow)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workbench.demo import demo_folder
from workbench.demo.drawing import countries, places, portraits, towns

__all__ = ["PICTURES", "main"]

PICTURES: dict[str, Callable[[], Any]] = {
    "abbey.png": places.abbey,
    "castle.png": places.castle,
    "castle_plan.png": towns.castle_plan,
    "demeter.png": places.demeter,
    "dracula.png": portraits.dracula,
    "england.png": countries.england,
    "europe.png": countries.europe,
    "jonathan.png": portraits.jonathan,
    "london.png": towns.london,
    "lucy.png": portraits.lucy,
    "mina.png": portraits.mina,
    "transylvania.png": countries.transylvania,
    "van_helsing.png": portraits.van_helsing,
    "whitby.png": towns.whitby,
}


def main() -> None:
    """Write every picture into the demo's folder, over the old ones."""
    folder = demo_folder() / "pictures"
    folder.mkdir(exist_ok=True)
    for name, draw in PICTURES.items():
        draw().save(folder / name, optimize=True)


if __name__ == "__main__":
    main()

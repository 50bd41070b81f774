"""Draw what a terminal shows: run a command in tmux, and write its screen as an SVG file.

    python tools/draw_terminal.py OUT.svg "featheredge models" [--seconds 3] [--size 100x24]

Needs tmux. The screen is taken after the given time, also in the middle of a command.
"""

import argparse
import io
import re
import subprocess
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

_SESSION = "draw-terminal"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("command")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--size", default="100x24", help="columns x rows")
    options = parser.parse_args()
    columns, rows = map(int, options.size.split("x"))
    screen = screen_of(options.command, columns, rows, options.seconds)
    console = Console(record=True, width=columns, file=io.StringIO())
    console.print(Text(f"$ {options.command}\n", style="bold"), Text.from_ansi(screen.rstrip()))
    svg = console.export_svg(title="featheredge")
    # The fonts of the template come from another host.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    options.output.write_text(svg, encoding="utf-8")


def screen_of(command: str, columns: int, rows: int, seconds: float) -> str:
    """Return the screen, with its colours, some seconds after a command was started."""
    held = f"{command}; sleep 60"
    size = ["-x", str(columns), "-y", str(rows)]
    tmux("new-session", "-d", "-s", _SESSION, *size, "sh", "-c", held)
    try:
        time.sleep(seconds)
        return tmux("capture-pane", "-e", "-p", "-t", _SESSION)
    finally:
        tmux("kill-session", "-t", _SESSION)


def tmux(*arguments: str) -> str:
    return subprocess.run(["tmux", *arguments], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()

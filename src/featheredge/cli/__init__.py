"""The `featheredge` command: verbs only. Each one parses, calls and prints; the work is elsewhere.

Every file beside this one holds a few commands and is registered below with
`app.command(file.function)` (or `app.command(file.app)` for a verb with sub-commands). Their
signatures and docstrings are the help, so all of them are imported for `--help`: they import
nothing but the standard library, cyclopts and `featheredge.errors` at their top, and what they
call inside the functions.
"""

import os
import sys

from cyclopts import App

from featheredge import __version__
from featheredge.cli import evaluate, info, lab, new_recipe, predict, report
from featheredge.errors import FeatheredgeError

app = App(
    name="featheredge",
    help="Very small edge-detection and salient-object networks, fast on an ordinary CPU.",
    version=__version__,
    help_format="plaintext",  # markdown would load a parser and a highlighter
)
app.command(predict.edges)
app.command(predict.saliency)
app.command(predict.cutout)
app.command(evaluate.app)
app.command(info.models)
app.command(info.doctor)
app.command(new_recipe.new_recipe)
app.command(lab.train)
app.command(lab.prune)
app.command(lab.export)
app.command(lab.label)
app.command(lab.reproduce)
app.command(report.report)


def main() -> None:
    """Run the command line: exit 0 done, 1 something failed (said on stderr), 2 wrong usage."""
    try:
        app(sys.argv[1:])
    except FeatheredgeError as error:
        sys.exit(f"featheredge: {error}")
    except BrokenPipeError:  # whoever reads, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)

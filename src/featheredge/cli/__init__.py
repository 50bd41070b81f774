"""The `featheredge` command: verbs only. Each one parses, calls and prints; the work is elsewhere.

Every file beside this one holds a few commands and is registered below with
`app.command(file.function)` (or `app.command(file.app)` for a verb with sub-commands). Their
signatures and docstrings are the help, so all of them are imported for `--help`: they import
nothing but the standard library, cyclopts, `featheredge.errors` and `featheredge.extras` at their
top, and what they call inside the functions.
"""

import os
import sys
import warnings
from contextlib import suppress
from typing import NoReturn

from cyclopts import App

from featheredge import __version__
from featheredge.cli import evaluate, info, lab, new_recipe, predict, report
from featheredge.errors import FeatheredgeError
from featheredge.extras import explain

app = App(
    name="featheredge",
    help="Very small edge-detection and salient-object networks, fast on an ordinary CPU.",
    version=__version__,
    help_format="plaintext",  # markdown would load a parser and a highlighter
    suppress_keyboard_interrupt=False,  # `main` says what it means
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
    """Run the command line.

    Exit codes: 0 done; 1 something failed, which standard error says; 2 wrong usage; 130 stopped
    by Ctrl-C; 141 the reader of standard output, such as `head`, has closed it.
    """
    warnings.showwarning = _show_warning
    try:
        try:
            app(sys.argv[1:])
        finally:
            sys.stdout.flush()
    except FeatheredgeError as error:
        sys.exit(f"featheredge: {error}")
    except ModuleNotFoundError as error:
        sys.exit(f"featheredge: {_missing_extra(error)}")
    except KeyboardInterrupt:
        _end(130, "stopped by Ctrl-C; type the same command again to do the rest")
    except BrokenPipeError:
        _end(141, "standard output was closed, so the work stopped")
    except OSError as error:  # a full disk, a folder without permission, ...
        _end(1, f"{error.filename or 'standard output'}: {error.strerror or error}")


def _missing_extra(error: ModuleNotFoundError) -> FeatheredgeError:
    """The error for a module that an extra installs; any other is a fault and stays as it is."""
    found = explain(error, "this command")
    if found is None:
        raise error
    return found


def _end(code: int, message: str) -> NoReturn:
    """Exit with one line, and without what standard output has not taken yet."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.stderr.write(f"featheredge: {message}\n")
    sys.exit(code)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Say a warning in one line, as errors are."""
    sys.stderr.write(f"featheredge: warning: {message}\n")

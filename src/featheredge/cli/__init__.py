"""The `featheredge` command. Each verb parses its arguments, calls the library and prints.

The other files in this folder define the verbs, which are registered below with
`app.command(file.function)`, or `app.command(file.app)` for a verb with sub-commands. Signatures,
docstrings and the commands of `examples.py` are the help text, so `--help` imports all files. To
keep it fast, at module level they import only the standard library, cyclopts, each other, and
`featheredge.errors`, `.extras` and `.address`. All other imports are inside functions.
"""

import os
import signal
import sys
import warnings
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from cyclopts import App

from featheredge import __version__
from featheredge.cli import (
    bench,
    evaluate,
    export,
    info,
    lab,
    new_recipe,
    predict,
    report,
    serve,
    shell,
    video,
)
from featheredge.cli.examples import epilogue
from featheredge.errors import FeatheredgeError
from featheredge.extras import explain

app = App(
    name="featheredge",
    help="Very small edge-detection and salient-object networks, fast on an ordinary CPU.",
    version=__version__,
    help_format="plaintext",  # markdown would load a parser and a highlighter
    suppress_keyboard_interrupt=False,  # `main` handles Ctrl-C
)
app.command(predict.edges, help_epilogue=epilogue("edges"))
app.command(predict.saliency, help_epilogue=epilogue("saliency"))
app.command(predict.cutout, help_epilogue=epilogue("cutout"))
app.command(video.video, help_epilogue=epilogue("video"))
app.command(evaluate.app)
app.command(info.models, help_epilogue=epilogue("models"))
app.command(info.doctor, help_epilogue=epilogue("doctor"))
app.command(new_recipe.new_recipe, help_epilogue=epilogue("new-recipe"))
app.command(lab.train, help_epilogue=epilogue("train"))
app.command(lab.prune, help_epilogue=epilogue("prune"))
app.command(export.export, help_epilogue=epilogue("export"))
app.command(lab.label, help_epilogue=epilogue("label"))
app.command(lab.reproduce, help_epilogue=epilogue("reproduce"))
app.command(report.report, help_epilogue=epilogue("report"))
app.command(bench.bench, help_epilogue=epilogue("bench"))
app.command(shell.completion_verb(app), help_epilogue=epilogue("completion"))
app.command(shell.tour, help_epilogue=epilogue("tour"))
app.command(serve.serve, help_epilogue=epilogue("serve"))


def main() -> None:
    """Run the command line.

    Exit codes: 0 success; 1 failure, with a message on standard error; 2 wrong usage; 130 stopped
    by Ctrl-C; 141 standard output was closed, for example by `head`; 143 stopped by SIGTERM.
    """
    warnings.showwarning = _show_warning
    signal.signal(signal.SIGTERM, _terminate)
    try:
        try:
            app(sys.argv[1:])
        finally:
            sys.stdout.flush()
    except FeatheredgeError as error:
        sys.exit(f"featheredge: {error}")
    except ModuleNotFoundError as error:
        sys.exit(f"featheredge: {_missing_extra(error)}")
    except _Terminated:
        _end(143, "stopped by SIGTERM; to continue, type the same command again")
    except KeyboardInterrupt:
        _end(130, "stopped by Ctrl-C; to continue, type the same command again")
    except BrokenPipeError:
        _end(141, "stopped, because standard output was closed")
    except OSError as error:  # a full disk, a folder without permission, ...
        _end(1, f"{error.filename or 'standard output'}: {error.strerror or error}")


class _Terminated(KeyboardInterrupt):
    """SIGTERM was received; all that ends well on Ctrl-C ends well on it too."""


def _terminate(_: int, __: FrameType | None) -> NoReturn:
    raise _Terminated


def _missing_extra(error: ModuleNotFoundError) -> FeatheredgeError:
    """Return the error for a module of an extra; raise the original error for other modules."""
    found = explain(error, "this command")
    if found is None:
        raise error
    return found


def _end(code: int, message: str) -> NoReturn:
    """Exit with a one-line message; discard the unwritten part of standard output."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.stderr.write(f"featheredge: {message}\n")
    sys.exit(code)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning on one line, like errors."""
    sys.stderr.write(f"featheredge: warning: {message}\n")

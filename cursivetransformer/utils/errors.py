"""The exception for a user's mistake, and the exit codes of commands.

Does not depend on ink, models or settings.
"""

import atexit
import errno
import gc
import io
import re
import signal
import sys
from collections.abc import Callable

from cursivetransformer.utils.signals import Stopped, default_signals, signals_interrupt

MAX_WORD = 250  # characters of a word that a message repeats whole
GC_THRESHOLD = 50_000  # new objects until Python looks for garbage among the young ones
SIGPIPE = 13  # which the module signal lacks on Windows
# The scripts of a checkout that do what a subcommand of `cursive` does.
SCRIPTS = {
    "write": "sample.py",
    "train": "train.py",
    "train-recognizer": "train_recognizer.py",
    "evaluate": "evaluate.py",
}


class UserError(Exception):
    """A mistake by the user, in one sentence: what is wrong, where, and the cure."""


def how_to_run(command: str) -> str:
    """Return the start of a command line for a message, in the form that the user uses.

    `cli` puts "cursive COMMAND" into sys.argv[0]; the scripts of a checkout leave it as it is.
    """
    if sys.argv[0].startswith("cursive ") or command not in SCRIPTS:
        return f"cursive {command}"
    return f"python {SCRIPTS[command]}"


def reason_of(error: OSError) -> str:
    """Return why the system refused, in words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "its disk is full"
    return error.strerror or str(error)


def run_script(main: Callable[[], None]) -> None:
    """Call `main()` and exit as a command should.

    A `UserError` prints its sentence and exits with 2, as does a file that the system refuses: by
    its rights, a name too long, a full disk. Ctrl-C exits with 130 and SIGTERM with 143, and a
    closed output pipe exits quietly. Any other exception is a bug and keeps its traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name or a text may have characters that the console cannot show.
            stream.reconfigure(errors="backslashreplace")
    atexit.register(default_signals)  # Python's own exit should not be told of
    # Importing torch makes half a million objects that stay. Looking through them for garbage,
    # again and again and at the end, takes a fifth of the time of a short command.
    gc.set_threshold(GC_THRESHOLD)
    atexit.register(gc.freeze)
    try:
        with signals_interrupt():
            main()
            sys.stdout.flush()  # while its failure can be told
    except UserError as error:
        _exit(f"error: {error}", 2)
    except BrokenPipeError:
        # The other end of a pipe (`| head`) closed. Exit with the status that SIGPIPE gives.
        sys.stderr.close()
        sys.exit(128 + SIGPIPE)
    except KeyboardInterrupt as interrupt:
        number = interrupt.args[0] if isinstance(interrupt, Stopped) else signal.SIGINT
        _exit("stopped", 128 + number)
    except OSError as error:
        if error.filename is None and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        _exit(f"error: {error.filename or 'the output'} cannot be used: {reason_of(error)}", 2)


def _short(sentence: str) -> str:
    """Return a sentence without the middle of words that are longer than any path."""
    return re.sub(rf"\S{{{MAX_WORD},}}", lambda word: f"{word[0][:60]}...{word[0][-60:]}", sentence)


def _exit(sentence: str, status: int) -> None:
    print(_short(sentence), file=sys.stderr)
    sys.exit(status)

"""The exception for a user's mistake, and the exit codes of commands.

Does not depend on ink, models or settings.
"""

import signal
import sys
from collections.abc import Callable


class UserError(Exception):
    """A mistake by the user, in one sentence: what is wrong, where, and the cure."""


def run_script(main: Callable[[], None]) -> None:
    """Call `main()` and exit as a command should.

    A `UserError` prints its sentence and exits with 2, Ctrl-C exits with 130, and a closed output
    pipe exits quietly. Any other exception is a bug and keeps its traceback.
    """
    try:
        main()
    except UserError as error:
        _exit(f"error: {error}", 2)
    except BrokenPipeError:
        # The other end of a pipe (`| head`) closed. Exit with the status that SIGPIPE gives.
        sys.stderr.close()
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:
        _exit("stopped", 128 + signal.SIGINT)


def _exit(sentence: str, status: int) -> None:
    print(sentence, file=sys.stderr)
    sys.exit(status)

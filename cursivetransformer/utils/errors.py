"""A user's mistake, as opposed to a bug, and how a script ends on either.

Knows nothing of ink, models or settings.
"""

import signal
import sys


class UserError(Exception):
    """A mistake of the user's, told in one sentence: what, where, and the cure."""


def run_script(main):
    """Call `main()` and exit as a command should.

    A `UserError` prints its sentence and exits with 2, Ctrl-C exits with 130, a reader of our output that
    went away ends us quietly; anything else is a bug and keeps its traceback.
    """
    try:
        main()
    except UserError as error:
        sys.exit(_complain(f"error: {error}", 2))
    except BrokenPipeError:
        # The other end of a pipe (`| head`) closed: the usual status of a program that SIGPIPE ends.
        sys.stderr.close()
        sys.exit(128 + signal.SIGPIPE)
    except KeyboardInterrupt:
        sys.exit(_complain("stopped", 128 + signal.SIGINT))


def _complain(sentence, status):
    print(sentence, file=sys.stderr)
    return status

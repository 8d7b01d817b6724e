"""The one exception that a person is meant to read."""


class UserError(Exception):
    """Something the user can fix: the message names the key or file and says what to do.

    The command line prints it as one message without a traceback and exits with status 2.
    """

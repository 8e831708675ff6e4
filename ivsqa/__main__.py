"""The command line: what `ivsqa` and `python -m ivsqa` run, and what `torchrun -m ivsqa` starts in each of its processes."""

import signal


def run() -> None:
    """Run the command line."""
    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else whoever started us ignores it
    if is_usual:  # until the command line is read in there is nothing to undo, so Ctrl-C may end it without a traceback
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from ivsqa.cli.main import main

    if is_usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    main()


if __name__ == "__main__":
    run()

"""The command line as `python -m ivsqa`, and so what `torchrun -m ivsqa` starts in each of its processes."""

from ivsqa.cli.main import main

main()

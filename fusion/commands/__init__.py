"""One file per verb of ``chorus``; each has ``main(argv, program) -> exit status``."""

"""The two errors that are somebody's news rather than a defect of the program."""


class UserError(Exception):
    """A mistake the user can mend: one sentence with the file, the place and the remedy. Exit code 2."""


class CaseError(Exception):
    """One case cannot go on; the pipeline turns it into an `Exclusion` with this reason."""

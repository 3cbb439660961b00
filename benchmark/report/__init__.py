"""What people see of a finished study: tables, a figure, one self-contained page."""

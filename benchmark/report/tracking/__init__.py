"""MLflow: its database and artifacts below the results folder, and the runs that go there."""

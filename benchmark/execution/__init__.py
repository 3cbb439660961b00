"""Where and how work runs: workers, the store of what is finished, progress, seeds, the machine."""

"""From declared study to results: plans the work and has done what the store lacks."""

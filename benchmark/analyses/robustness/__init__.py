"""What changes when the same patients are scanned again, otherwise: feature stability and accuracy by condition."""

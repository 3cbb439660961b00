"""The plug-in `finetuned`: a classifier that trains the last layers of an encoder, or all of it, with its own head."""

"""The plug-in `finetune_slices`: what of an encoder of slices stays frozen, and what is handed on to be trained."""

"""How well segmenters agree with each other or with a reference."""

"""The scan: protocol and scanner, blur, noise and quantisation."""

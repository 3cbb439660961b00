"""The plug-in `slices`: axial slices through any 2-D encoder that timm can build."""

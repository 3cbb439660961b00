"""The plug-in `monai_encoder`: a scan through a 3-D encoder whose architecture MONAI has."""

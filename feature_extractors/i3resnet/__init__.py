"""The plug-in `i3resnet`: a scan through the 3-D ResNet-152 of Merlin and Astra."""

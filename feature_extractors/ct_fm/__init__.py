"""The plug-in `ct_fm`: a scan through the 3-D encoder of CT-FM."""

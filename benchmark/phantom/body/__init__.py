"""The patient and the thorax around the heart."""

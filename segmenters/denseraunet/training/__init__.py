"""How DenseRAUnet is trained."""

"""What lies behind a study's headline, as people read it."""

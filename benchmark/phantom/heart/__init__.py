"""The heart, its vessels, and the calcium in them."""

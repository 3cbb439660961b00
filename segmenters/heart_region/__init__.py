"""Where in a chest coronary calcium can lie, from lungs, bone and body alone."""

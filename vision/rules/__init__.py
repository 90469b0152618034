"""One file per incident kind; ``registry`` finds them."""

"""The theorems of the literature, one module per paper, written only in the public language."""

"""What a generated service costs, beside the leanest thing that does the same: see README.md."""

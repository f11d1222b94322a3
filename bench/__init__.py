"""Speed and memory, side by side on one endpoint in one run, as ratios. `make bench` prints the table."""

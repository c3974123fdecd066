"""What Handraiser costs in time and memory, measured and printed with its conditions. Never a test."""

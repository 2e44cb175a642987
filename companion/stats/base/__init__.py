"""What all statistics stand on: intervals, results, and the refusal of bad input."""

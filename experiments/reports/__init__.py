"""What a run or a comparison shows: tables, plots, statistics, claims."""

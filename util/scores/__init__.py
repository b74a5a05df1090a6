"""What judges pictures: metrics, baselines, tables of scores, and pages to look at."""

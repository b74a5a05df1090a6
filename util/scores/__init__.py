"""What judges pictures: metrics, baselines, tables of scores and pages of contact sheets."""

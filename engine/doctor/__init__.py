"""`handraiser doctor`: what keeps mail from arriving, looked at from here; one file for each subject."""

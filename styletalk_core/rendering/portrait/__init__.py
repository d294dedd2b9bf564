"""Portrait enrolment from a photo: checks, crop, person mask."""

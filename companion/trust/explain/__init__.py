"""Why a model says what it says, by methods that are put to the test themselves."""

"""The data set for users: the spread over the folds on the map, one variable and year a file, as climate tools open it."""

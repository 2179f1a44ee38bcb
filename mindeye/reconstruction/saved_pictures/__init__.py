"""Pictures that anybody saved, in any usual form: with their image ids, read some at a time."""

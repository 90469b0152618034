"""The report with which one shift hands the operations room over to the next."""

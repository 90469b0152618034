"""What planners take home: counts with all that is known of them, as a report and as files."""

"""Try hostile files, kills, full disks, two at once and absurd flags; count what held."""
